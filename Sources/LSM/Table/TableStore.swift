/// Makes and opens the tables of one store.
///
/// Thread-safety: immutable; every call from any thread.
package struct TableStore: Sendable {
  let fileSystem: any FileSystem
  let directory: String
  let store: StoreID
  let options: TableOptions
  let cache: BlockCache
  let obsolete: ObsoleteFiles

  /// - Parameters:
  ///   - options: how new tables are written.
  ///   - obsolete: where tables go that no version needs any more.
  package init(
    fileSystem: any FileSystem, directory: String, store: StoreID, options: TableOptions,
    cache: BlockCache, obsolete: ObsoleteFiles
  ) {
    self.fileSystem = fileSystem
    self.directory = directory
    self.store = store
    self.options = options
    self.cache = cache
    self.obsolete = obsolete
  }

  /// Opens a table that the manifest names. Blocks on disk I/O.
  func open(_ metadata: TableMetadata) throws(LSMError) -> TableFile {
    try TableFile(
      metadata, fileSystem, directory: directory, cache: cache, obsolete: obsolete)
  }

  /// Begins a new table.
  package func begin(_ number: FileNumber) throws(LSMError) -> TableOutput {
    try TableOutput(self, number)
  }
}

/// A table that is being written.
///
/// Thread-safety: none; one owner at a time. Blocks on disk I/O.
package final class TableOutput {
  private let tables: TableStore
  private let number: FileNumber
  private let identity: UInt64
  private let path: String
  private let file: any WritableFile
  private var builder: TableBuilder
  /// See ``TableMetadata/reclaimableCount``.
  var reclaimableCount: UInt64 = 0

  fileprivate init(_ tables: TableStore, _ number: FileNumber) throws(LSMError) {
    self.tables = tables
    self.number = number
    // Numbers are never used twice in a store, and stores have random ids: so no identity is either.
    identity = tables.store.context(of: number)
    path = FileName.table(number).path(in: tables.directory)
    file = try tables.fileSystem.create(path)
    builder = TableBuilder(file: file, path: path, identity: identity, options: tables.options)
  }

  /// See ``TableBuilder/sizeBytes``.
  var sizeBytes: UInt64 { builder.sizeBytes }

  var isEmpty: Bool { builder.isEmpty }

  /// Adds the next entry; see ``TableBuilder``.
  @safe
  package func add(_ key: InternalKey, value: UnsafeRawBufferPointer) throws(LSMError) {
    try builder.add(key, value: value)
  }

  /// Adds a range tombstone, in any order.
  package func add(_ tombstone: RangeTombstone) throws(LSMError) { try builder.add(tombstone) }

  /// Makes the file whole and durable, and opens it. Its name is durable only after a sync of the
  /// directory.
  ///
  /// On an error the file is given up.
  package func finish(epoch: UInt64) throws(LSMError) -> TableFile {
    do throws(LSMError) {
      return try finishFile(epoch: epoch)
    } catch {
      abandon()
      throw error
    }
  }

  private func finishFile(epoch: UInt64) throws(LSMError) -> TableFile {
    let properties = try builder.finish()
    try file.sync()
    let bytes = file.size
    try file.close()
    return try tables.open(
      TableMetadata(
        number: number, identity: identity, fileBytes: bytes, epoch: epoch,
        reclaimableCount: reclaimableCount, properties: properties))
  }

  /// Gives the file up. No manifest names it, so nothing is lost; what cannot be removed now is removed
  /// at the next open.
  func abandon() {
    do throws(LSMError) { try file.close() } catch {}
    do throws(LSMError) { try tables.fileSystem.remove(path) } catch {}
  }
}
