import Glibc
import Synchronization

/// A table of the store: the open file and what the manifest knows of it.
///
/// Versions hold it. When the last version that names it is gone, and an edit has taken it out of the
/// store, its file is removed.
///
/// Thread-safety: constant, but for the two flags. `isCompacting` is guarded by the tree's state.
// SAFETY: `bounds` is allocated once, holds both encoded keys, and is freed in deinit; the keys are views of it.
// SAFETY of `@unchecked Sendable`: see "Thread-safety"; the bounds are never written after init.
@safe
package final class TableFile: @unchecked Sendable {
  /// What the manifest says; the table was checked against it when it was opened.
  package let metadata: TableMetadata
  let table: Table
  private let fileSystem: any FileSystem
  private let obsolete: ObsoleteFiles
  private let cache: BlockCache
  private let isRemoved = Atomic<Bool>(false)
  /// Whether a compaction has it as input. Guarded by the tree's state.
  package var isCompacting = false
  /// `smallest` and `largest` of the metadata, encoded, in one allocation that lives as long as this.
  private let bounds: UnsafeMutableRawBufferPointer

  /// Opens the file and compares it with what the manifest says of it. Blocks on disk I/O.
  init(
    _ metadata: TableMetadata, _ fileSystem: any FileSystem, directory: String, cache: BlockCache,
    obsolete: ObsoleteFiles
  ) throws(LSMError) {
    self.metadata = metadata
    self.fileSystem = fileSystem
    self.obsolete = obsolete
    self.cache = cache
    let path = FileName.table(metadata.number).path(in: directory)
    func damage(_ kind: DamageKind) -> LSMError {
      .corruption(LSMError.Damage(path: path, offset: 0, kind))
    }
    let file: any ReadableFile
    do throws(LSMError) { file = try fileSystem.open(path) } catch .notFound {
      throw damage(.missing)
    }
    do throws(LSMError) {
      guard file.size == metadata.fileBytes else {
        throw damage(
          .value(field: "the file's size", expected: metadata.fileBytes, actual: file.size))
      }
      table = try Table(file: file, path: path, identity: metadata.identity, cache: cache)
    } catch {
      file.close()
      throw error
    }
    if let field = metadata.disagreement(with: table.properties) {
      throw damage(.disagreement(field: field))
    }
    unsafe bounds = .allocate(
      byteCount: metadata.smallest.count + metadata.largest.count, alignment: 1)
    unsafe bounds.copyBytes(from: metadata.smallest + metadata.largest)
    cache.reserve(table.pinnedBytes)
  }

  deinit {
    cache.release(table.pinnedBytes)
    unsafe bounds.deallocate()
    if isRemoved.load(ordering: .acquiring) { obsolete.add(.table(metadata.number)) }
  }

  /// Has the file removed once nobody reads it any more.
  func markRemoved() { isRemoved.store(true, ordering: .releasing) }

  /// The first internal key, borrowed as long as this.
  var smallest: InternalKey {
    unsafe InternalKey(
      checked: UnsafeRawBufferPointer(rebasing: bounds[..<metadata.smallest.count]))
  }

  /// The last internal key, borrowed as long as this; see ``TableProperties/largest``.
  var largest: InternalKey {
    unsafe InternalKey(
      checked: UnsafeRawBufferPointer(rebasing: bounds[metadata.smallest.count...]))
  }

  /// Whether the table's last user key is the first one after it, as a range tombstone's end is.
  var excludesLargest: Bool { largest.trailer == .max }

  /// Whether it reaches `key` or beyond.
  @safe
  func isNotBefore(_ key: UnsafeRawBufferPointer) -> Bool {
    let order = KeyOrder.compare(largest.userKey, key)
    return order > 0 || (order == 0 && !excludesLargest)
  }

  /// Whether more than a twentieth of its blocks are mostly tombstones: scans crawl there.
  var isDenseWithTombstones: Bool {
    table.properties.denseTombstoneBlockCount * 20 > table.properties.dataBlockCount
  }
}

extension InternalKey {
  /// Takes bytes that were checked to be an encoded internal key.
  fileprivate init(checked bytes: UnsafeRawBufferPointer) {
    guard let key = unsafe InternalKey(encoded: bytes) else {
      preconditionFailure("checked at decoding")
    }
    self = key
  }
}

/// Files that no version and no recovery needs any more, until somebody removes them.
///
/// They are queued because the last reader may be gone on a thread that must not wait for an unlink.
///
/// Thread-safety: every call from any thread.
package final class ObsoleteFiles: Sendable {
  private let names = Monitor<[FileName]>([])
  private let wake = Monitor<(@Sendable () -> Void)?>(nil)

  /// A queue without files.
  package init() {}

  func add(_ name: FileName) {
    names.withLock { $0.append(name) }
    wake.withLock { $0 }?()
  }

  /// Has `body` called after each addition, on the thread that adds, whatever locks it holds.
  func whenAdded(_ body: @escaping @Sendable () -> Void) { wake.withLock { $0 = body } }

  var isEmpty: Bool { names.withLock { $0.isEmpty } }

  /// The names queued so far, which the caller removes.
  func takeAll() -> [FileName] {
    names.withLock { names in
      defer { names = [] }
      return names
    }
  }
}
