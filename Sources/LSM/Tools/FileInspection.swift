/// What single files of a store hold, for people who look at them. Changes nothing, locks nothing; what is damaged
/// is handed over as a finding, and the rest is read on.
// SAFETY: What is visited is lent until `visit` returns; its owner does not move on before.
package enum FileInspection {
  /// A data block of a table.
  @safe
  package struct BlockView {
    /// From 0, in the order of the file.
    package let index: Int
    /// Where it begins in the file.
    package let offset: UInt64
    /// In the file, with its trailer.
    package let storedBytes: UInt64
    /// Before compression.
    package let rawBytes: Int
    /// Nil when its tag says none that is known.
    package let compression: Compression?
    /// Entries in it, tombstones among them.
    package let entryCount: Int
    /// The first user key, borrowed until the visitor returns.
    @safe package let firstKey: UnsafeRawBufferPointer
  }

  /// One thing that a table holds.
  @safe
  package enum TableItem {
    case properties(TableProperties)
    case rangeTombstone(RangeTombstone)
    case block(BlockView)
    /// Only when records are asked for. Key and value are borrowed until the visitor returns.
    case record(InternalKey, UnsafeRawBufferPointer)
    case damage(Finding)
  }

  /// Visits what a table holds, in the order of the file: properties and range tombstones first.
  ///
  /// Without a readable index or footer its blocks are searched for, as long as the store's manifest or id tells the
  /// table's identity.
  ///
  /// - Throws: what opening the file throws.
  package static func table(
    _ fileSystem: any FileSystem, directory: String, _ number: FileNumber, records: Bool,
    _ visit: (TableItem) -> Void
  ) throws(LSMError) {
    var metadata: TableMetadata?
    var store: StoreID?
    do throws(LSMError) {
      let found = try ManifestReader.look(fileSystem, directory: directory)
      store = found.current.store
      metadata = found.state.added.first { $0.table.number == number }?.table
    } catch {
      // The table is looked at by itself.
    }
    let parts = try TableParts(
      fileSystem, directory: directory, number, metadata: metadata,
      identity: store?.context(of: number))
    for problem in parts.problems { visit(.damage(problem.finding)) }
    if parts.index == nil { _ = parts.searchBlocks() }
    if let properties = parts.properties { visit(.properties(properties)) }
    for tombstone in parts.tombstones { visit(.rangeTombstone(tombstone)) }
    for (index, handle) in parts.blocks.enumerated() {
      let block: Block
      do throws(LSMError) {
        block = try parts.dataBlock(handle)
      } catch {
        visit(.damage(Finding(error, in: parts.name)))
        continue
      }
      var iterator = BlockIterator(block)
      iterator.seekToFirst()
      guard iterator.isValid else {
        visit(.damage(Finding(parts.name, at: handle.offset, "the block has no entries")))
        continue
      }
      unsafe visit(
        .block(
          BlockView(
            index: index, offset: handle.offset, storedBytes: handle.byteCount,
            rawBytes: block.byteCount, compression: parts.compression(of: handle),
            entryCount: block.entryCount, firstKey: iterator.key.userKey)))
      while records, iterator.isValid {
        unsafe visit(.record(iterator.key, iterator.value))
        iterator.next()
      }
    }
  }

  /// One thing that a log or manifest holds.
  @safe
  package enum LogItem {
    case header(LogHeader)
    /// A batch: where it is, its last sequence number, its bytes. Borrowed until the visitor returns.
    case record(offset: UInt64, sequence: UInt64, UnsafeRawBufferPointer)
    case end(LogEnd, isSealed: Bool)
    case damage(Finding)
  }

  /// Visits the records of a log.
  /// - Throws: what opening the file throws.
  package static func log(
    _ fileSystem: any FileSystem, directory: String, _ number: FileNumber,
    _ visit: (LogItem) -> Void
  ) throws(LSMError) {
    let name = FileName.log(number)
    do throws(LSMError) {
      // A server may append meanwhile: what a look without damage has ended with is shown, and nothing after it.
      let known = try LookingAgain.until(directory) { () throws(LSMError) in
        let reader = try logReader(fileSystem, directory, name, .open)
        while try reader.next() != nil {}
        return (end: reader.end, isSealed: reader.isSealed)
      }
      let reader = try logReader(
        fileSystem, directory, name, known.end.map { .at($0) } ?? .open)
      if let header = reader.header { visit(.header(header)) }
      while let record = try reader.next() {
        unsafe visit(.record(offset: record.offset, sequence: record.sequence, record.bytes))
      }
      if let end = known.end { visit(.end(end, isSealed: known.isSealed)) }
    } catch .corruption {
      try damagedLog(fileSystem, directory, name, visit)
    } catch {
      switch error {
      case .notFound, .changing: throw error
      default: visit(.damage(Finding(error, in: name)))
      }
    }
  }

  /// A log of any store; one whose creation is under way, or was cut short, has no header and no records.
  private static func logReader(
    _ fileSystem: any FileSystem, _ directory: String, _ name: FileName,
    _ ending: LogReader.Ending
  ) throws(LSMError) -> LogReader {
    do throws(LSMError) {
      return try LogReader(
        fileSystem, directory: directory, name: name, store: nil, ending: ending)
    } catch .corruption(let damage) {
      do throws(LSMError) {
        let store = try CurrentFile(fileSystem, directory: directory).store
        return try LogReader(
          fileSystem, directory: directory, name: name, store: store, ending: ending)
      } catch {
        throw .corruption(damage)
      }
    }
  }

  /// Visits what can be read of a log, and what cannot.
  private static func damagedLog(
    _ fileSystem: any FileSystem, _ directory: String, _ name: FileName, _ visit: (LogItem) -> Void
  ) throws(LSMError) {
    do throws(LSMError) {
      let reader = try LogReader(
        fileSystem, directory: directory, name: name, store: nil, ending: .open)
      if let header = reader.header { visit(.header(header)) }
      while let record = try reader.next() {
        unsafe visit(.record(offset: record.offset, sequence: record.sequence, record.bytes))
      }
      if let end = reader.end { visit(.end(end, isSealed: reader.isSealed)) }
    } catch {
      if case .notFound = error { throw error }
      visit(.damage(Finding(error, in: name)))
    }
  }

  /// Visits the edits of the manifest that `CURRENT` names.
  /// - Returns: what is damaged; nil when all of it could be read.
  package static func manifest(
    _ fileSystem: any FileSystem, directory: String, _ visit: (UInt64, VersionEdit) -> Void
  ) -> Finding? {
    do throws(LSMError) {
      _ = try ManifestReader.look(fileSystem, directory: directory, visit)
      return nil
    } catch {
      guard case .corruption(let damage) = error,
        let name = FileName(damage.path.split(separator: "/").last.map(String.init) ?? "")
      else { return Finding(error, in: .current) }
      return Finding(error, in: name)
    }
  }
}
