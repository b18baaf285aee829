import Glibc

/// A table taken apart: each part is read and checked by itself, so that damage to one leaves the others
/// readable. ``Table`` is all or nothing.
///
/// Thread-safety: none; one owner at a time. Blocks on disk I/O. Memory: index, filter and range tombstones,
/// and one data block.
///
/// Unsafe island: owns the blocks in memory. Invariants:
/// 1. `index`, `filter` and `tombstones` point into `pinned`, freed in deinit.
/// 2. A data block handed out points into `loaded`, valid until the next one is loaded.
@safe
final class TableParts {
  enum Part: String {
    case size = "the file's size"
    case footer, properties, index, filter
    case rangeTombstones = "range tombstones"
  }

  let name: FileName
  let path: String
  let fileBytes: UInt64
  /// Nil when neither the footer nor the caller knows it: no block can be checked then.
  let identity: UInt64?
  private(set) var properties: TableProperties?
  private(set) var index: Block?
  /// The data blocks, by the index.
  private(set) var blocks: [BlockHandle] = []
  private(set) var filter: BloomFilter?
  private(set) var tombstones: [RangeTombstone] = []
  private(set) var problems: [(part: Part, finding: Finding)] = []

  private let file: any ReadableFile
  private var pinned: [UnsafeMutableRawBufferPointer] = unsafe []
  private var loaded: UnsafeMutableRawBufferPointer?

  /// Opens a table and reads what is not data.
  ///
  /// - Parameters:
  ///   - metadata: what the manifest says, if there is one.
  ///   - identity: to try when there is no footer.
  /// - Throws: what opening the file throws; ``LSMError/unsupportedFormat(path:version:)``.
  init(
    _ fileSystem: any FileSystem, directory: String, _ number: FileNumber,
    metadata: TableMetadata?, identity fallback: UInt64? = nil
  ) throws(LSMError) {
    name = .table(number)
    path = name.path(in: directory)
    file = try fileSystem.open(path)
    fileBytes = file.size
    var footer: Footer?
    var footerProblem: Finding?
    do throws(LSMError) {
      footer = try Table.readFooter(file, path)
    } catch {
      if case .unsupportedFormat = error {
        file.close()
        throw error
      }
      footerProblem = Finding(error, in: name)
    }
    identity = footer?.identity ?? metadata?.identity ?? fallback
    if let metadata, metadata.fileBytes != fileBytes {
      note(.size, Finding(name, "the file has \(fileBytes) bytes, not \(metadata.fileBytes)"))
    }
    if let footerProblem { note(.footer, footerProblem) }
    guard let footer else { return }
    if let metadata, metadata.identity != footer.identity {
      note(.footer, Finding(name, "the table's identity is not the one that the manifest says"))
    }
    readProperties(footer)
    readIndex(footer)
    readFilter(footer)
    readTombstones(footer)
  }

  deinit {
    for index in unsafe pinned.indices { unsafe free(pinned[index].baseAddress) }
    unsafe free(loaded?.baseAddress)
    file.close()
  }

  func hasProblem(_ part: Part) -> Bool { problems.contains { $0.part == part } }

  private func note(_ part: Part, _ finding: Finding) { problems.append((part, finding)) }

  // MARK: - Parts

  @safe
  private func readPart<R>(
    _ part: Part, _ handle: BlockHandle,
    _ decode: (UnsafeRawBufferPointer) throws(DamageInBlock) -> R
  ) -> R? {
    do throws(LSMError) {
      let bytes = try unsafe Table.readPayload(file, path, identity ?? 0, handle)
      unsafe pinned.append(bytes)
      do throws(DamageInBlock) {
        return try unsafe decode(UnsafeRawBufferPointer(bytes))
      } catch {
        throw error.located(path: path, offset: handle.offset)
      }
    } catch {
      let finding = Finding(error, in: name)
      note(part, Finding(name, at: handle.offset, "\(part.rawValue): \(finding.what)"))
      return nil
    }
  }

  private func readProperties(_ footer: Footer) {
    properties = readPart(.properties, footer.properties) { (bytes) throws(DamageInBlock) in
      try TableProperties(decoding: bytes)
    }
  }

  private func readIndex(_ footer: Footer) {
    let count = properties?.dataBlockCount
    index = readPart(.index, footer.index) { (bytes) throws(DamageInBlock) in
      let index = try unsafe Block(validating: bytes, content: .index)
      _ = try Table.checkIndex(
        index, before: footer.index.offset, count: count ?? UInt64(index.entryCount))
      return index
    }
    guard let index else { return }
    blocks.reserveCapacity(index.entryCount)
    var iterator = BlockIterator(index)
    iterator.seekToFirst()
    while iterator.isValid {
      if let handle = BlockHandle(varints: iterator.value) { blocks.append(handle) }
      iterator.next()
    }
  }

  private func readFilter(_ footer: Footer) {
    guard let handle = footer.filter else { return }
    filter = readPart(.filter, handle) { (bytes) throws(DamageInBlock) in
      try unsafe BloomFilter(validating: bytes)
    }
  }

  private func readTombstones(_ footer: Footer) {
    let count = properties?.rangeTombstoneCount
    guard let handle = footer.rangeTombstones else {
      if let count, count > 0 {
        note(
          .rangeTombstones,
          Finding(name, "\(count) range tombstones by the properties, and no block of them"))
      }
      return
    }
    let found = readPart(.rangeTombstones, handle) { (bytes) throws(DamageInBlock) in
      let block = try unsafe Block(validating: bytes, content: .rangeTombstones)
      return try Table.decodeTombstones(bytes, count: count ?? UInt64(block.entryCount))
    }
    tombstones = found?.tombstones ?? []
  }

  // MARK: - Data blocks

  /// Reads and checks a data block; valid until the next one is read.
  func dataBlock(_ handle: BlockHandle) throws(LSMError) -> Block {
    unsafe free(loaded?.baseAddress)
    unsafe loaded = nil
    let bytes = try unsafe Table.readPayload(file, path, identity ?? 0, handle)
    unsafe loaded = bytes
    do throws(DamageInBlock) {
      return try unsafe Block(validating: UnsafeRawBufferPointer(bytes), content: .entries)
    } catch {
      throw error.located(path: path, offset: handle.offset)
    }
  }

  /// How a data block is stored; nil when that cannot be read.
  func compression(of handle: BlockHandle) -> Compression? {
    let place = handle.offset + handle.byteCount - UInt64(BlockTrailer.byteCount)
    var tag: UInt8 = 0
    do throws(LSMError) { try read(into: &tag, at: place) } catch { return nil }
    return Compression(rawValue: tag)
  }

  private func read(into byte: inout UInt8, at offset: UInt64) throws(LSMError) {
    var failure: LSMError?
    unsafe withUnsafeMutableBytes(of: &byte) { buffer in
      do throws(LSMError) { try file.read(into: buffer, at: offset) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Reads the whole file; what cannot be read becomes zeros.
  @safe
  func readAll(into buffer: UnsafeMutableRawBufferPointer) {
    // Piece by piece: a sector that cannot be read costs one piece.
    let pieceBytes = 4096
    for begin in stride(from: 0, to: buffer.count, by: pieceBytes) {
      let piece = unsafe UnsafeMutableRawBufferPointer(
        rebasing: buffer[begin..<min(begin + pieceBytes, buffer.count)])
      do throws(LSMError) {
        try file.read(into: piece, at: UInt64(begin))
      } catch {
        unsafe piece.initializeMemory(as: UInt8.self, repeating: 0)
      }
    }
  }

  /// Looks for the blocks without an index; see ``BlockSearch``.
  /// - Returns: whether all that there were are known now.
  func searchBlocks() -> Bool {
    guard let identity else { return false }
    let found = BlockSearch.run(self, identity: identity)
    blocks = found.blocks
    if tombstones.isEmpty, let handle = found.rangeTombstones {
      let count = problems.count
      let decoded = readPart(.rangeTombstones, handle) { (bytes) throws(DamageInBlock) in
        let block = try unsafe Block(validating: bytes, content: .rangeTombstones)
        return try Table.decodeTombstones(bytes, count: UInt64(block.entryCount))
      }
      problems.removeLast(problems.count - count)
      tombstones = decoded?.tombstones ?? []
    }
    return found.hasIndex
  }
}
