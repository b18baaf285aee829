/// Makes and opens the tables of one store.
///
/// Thread-safety: immutable; every call from any thread.
struct TableStore: Sendable {
  let fileSystem: any FileSystem
  let directory: String
  let store: StoreID
  let options: TableOptions
  let cache: BlockCache
  let obsolete: ObsoleteFiles

  /// Opens a table that the manifest names. Blocks on disk I/O.
  func open(_ metadata: TableMetadata) throws(LSMError) -> TableFile {
    try TableFile(
      metadata, fileSystem, directory: directory, cache: cache, obsolete: obsolete)
  }

  /// Begins a new table.
  func begin(_ number: FileNumber) throws(LSMError) -> TableOutput {
    try TableOutput(self, number)
  }
}

/// A table that is being written.
///
/// Thread-safety: none; one owner at a time. Blocks on disk I/O.
final class TableOutput {
  private let store: TableStore
  private let number: FileNumber
  private let identity: UInt64
  private let path: String
  private let file: any WritableFile
  private var builder: TableBuilder
  /// See ``TableMetadata/reclaimableCount``.
  var reclaimableCount: UInt64 = 0

  fileprivate init(_ store: TableStore, _ number: FileNumber) throws(LSMError) {
    self.store = store
    self.number = number
    // Numbers are never used twice in a store, and stores have random ids: so no identity is either.
    identity = store.store.context(of: number)
    path = FileName.table(number).path(in: store.directory)
    file = try store.fileSystem.create(path)
    builder = TableBuilder(file: file, path: path, identity: identity, options: store.options)
  }

  /// See ``TableBuilder/sizeBytes``.
  var sizeBytes: UInt64 { builder.sizeBytes }

  var isEmpty: Bool { builder.isEmpty }

  func add(_ key: InternalKey, value: UnsafeRawBufferPointer) throws(LSMError) {
    try builder.add(key, value: value)
  }

  func add(_ tombstone: RangeTombstone) throws(LSMError) { try builder.add(tombstone) }

  /// Makes the file whole and durable, and opens it. Its name is durable only after a sync of the
  /// directory.
  func finish(epoch: UInt64) throws(LSMError) -> TableFile {
    let properties = try builder.finish()
    try file.sync()
    let bytes = file.size
    try file.close()
    return try store.open(
      TableMetadata(
        number: number, identity: identity, fileBytes: bytes, epoch: epoch,
        reclaimableCount: reclaimableCount, properties: properties))
  }

  /// Gives the file up. No manifest names it, so nothing is lost; what cannot be removed now is removed
  /// at the next open.
  func abandon() {
    do throws(LSMError) { try file.close() } catch {}
    do throws(LSMError) { try store.fileSystem.remove(path) } catch {}
  }
}
