import CRocksDB
import Engine
import Synchronization

/// Owns an open RocksDB database and everything of C that its calls need.
///
/// The engine and its snapshots share it, so that a snapshot may be released after the engine is gone.
///
/// Thread-safety: RocksDB's calls are safe from any thread while the database is open. ``gate`` keeps
/// calls out once it is closed; a call that uses ``database`` is inside the gate.
///
/// Unsafe island. Invariants:
/// 1. `database` is valid until `destroyDatabase`, which runs once, with the gate shut and empty.
/// 2. `snapshots` holds the snapshots RocksDB has not been told to release. Whoever takes one out
///    releases it, under the lock, so before `destroyDatabase`.
/// 3. The read and write options are not changed after `init`.
@safe
final class RocksDBHandle: @unchecked Sendable {
  let directory: String
  let database: OpaquePointer
  let gate = OperationGate()

  let readAny: RocksDBReadOptions
  let readMemory: RocksDBReadOptions
  let readPageCache: RocksDBReadOptions
  let writeSync: OpaquePointer
  let writeBuffered: OpaquePointer
  let options: RocksDBOptions

  /// Addresses of the `rocksdb_snapshot_t` (pointers themselves are not Sendable).
  private let snapshots = Mutex<Set<UInt>>([])

  /// Opens or creates the database in `directory`. Blocks on disk I/O.
  init(
    directory: String, options engineOptions: EngineOptions, settings: RocksDBSettings
  ) throws(EngineError) {
    guard !directory.utf8.contains(0) else {
      throw .invalidPath(path: directory, reason: "it holds a NUL byte")
    }
    let options = RocksDBOptions(engineOptions, settings)
    if engineOptions.isReadOnly {
      unsafe database = try Self.openForReading(directory, options)
    } else {
      if engineOptions.logRecovery == .tornTailOnly { try Self.refuseLogGap(in: directory) }
      unsafe database = try Self.open(directory, options)
    }
    self.directory = directory
    self.options = options
    readAny = unsafe RocksDBReadOptions(.any)
    readMemory = unsafe RocksDBReadOptions(.memory)
    readPageCache = unsafe RocksDBReadOptions(.pageCache)
    unsafe writeSync = rocksdb_writeoptions_create().unsafelyUnwrapped
    unsafe rocksdb_writeoptions_set_sync(writeSync, 1)
    // The log is written, not fsynced: the default of RocksDB.
    unsafe writeBuffered = rocksdb_writeoptions_create().unsafelyUnwrapped
  }

  private static func open(
    _ directory: String, _ options: borrowing RocksDBOptions
  ) throws(EngineError) -> OpaquePointer {
    var message: UnsafeMutablePointer<CChar>?
    let database = unsafe rocksdb_open(options.options, directory, &message)
    if let status = unsafe RocksDBStatus(message) { throw status.error(.open, in: directory) }
    // SAFETY: the C call returns nil only together with an error.
    return unsafe database.unsafelyUnwrapped
  }

  private static func refuseLogGap(in directory: String) throws(EngineError) {
    let before = RocksDBFiles(directory)
    guard let gap = try? RocksDBLogGap.find(in: directory) else { return }
    // When another process has the store, RocksDB says so.
    if RocksDBFiles(directory) == before { throw gap.error(in: directory) }
  }

  /// Opens for reading, also beside a process that writes.
  ///
  /// RocksDB takes no lock for it, so a look can be spoilt in two ways:
  ///
  /// - A table that the writer removes between the look at the manifest and the look at the table is missed, and
  ///   RocksDB calls that damage. It counts only when the files were the same before and after.
  /// - A log that goes between the look at the manifest and the look at the logs is not even missed, and what it held
  ///   is not there. So the manifest is read beside RocksDB, up to the edit that RocksDB has come to: the logs that
  ///   count from there on must still be there afterwards, and without a gap. A gap is damage when the files were the
  ///   same before and after.
  private static func openForReading(
    _ directory: String, _ options: borrowing RocksDBOptions
  ) throws(EngineError) -> OpaquePointer {
    let start = ContinuousClock.now
    for look in 0..<looks {
      // A busy machine, and a manifest of many flushes, make a look long.
      if look >= fewestLooks, ContinuousClock.now - start > longestLooks { break }
      let before = RocksDBFiles(directory)
      var manifest = RocksDBManifest(of: directory)
      let isKnown = (try? manifest?.readToEnd()) != nil
      var message: UnsafeMutablePointer<CChar>?
      let database = unsafe rocksdb_open_for_read_only(options.options, directory, 0, &message)
      if let status = unsafe RocksDBStatus(message) {
        if RocksDBFiles(directory) == before { throw status.error(.open, in: directory) }
        continue
      }
      // SAFETY: the C call returns nil only together with an error.
      let opened = unsafe database.unsafelyUnwrapped
      let found = Result { () throws(UnknownRecord) -> RocksDBLogGap? in
        guard isKnown, try unsafe manifest?.read(until: tables(of: opened)) == true else {
          throw UnknownRecord()
        }
        return try RocksDBLogGap.find(
          in: directory, firstLog: manifest?.firstLog ?? 0, lastFlushed: manifest?.lastFlushed)
      }
      switch found {
      case .success(nil): return unsafe opened
      // A newer RocksDB wrote it, or the manifest was replaced meanwhile.
      case .failure where RocksDBFiles(directory) == before: return unsafe opened
      case .failure: unsafe rocksdb_close(opened)
      case .success(let gap?):
        unsafe rocksdb_close(opened)
        if RocksDBFiles(directory) == before { throw gap.error(in: directory) }
      }
    }
    throw .busy(directory: directory)
  }

  /// Those that an open database has.
  private static func tables(of database: OpaquePointer) -> RocksDBTables {
    let files = unsafe rocksdb_livefiles(database)
    defer { unsafe rocksdb_livefiles_destroy(files) }
    var tables = RocksDBTables()
    for index in unsafe 0..<rocksdb_livefiles_count(files) {
      // "/000012.sst"
      let name = unsafe String(cString: rocksdb_livefiles_name(files, index))
      tables.insert(UInt64(name.dropFirst().prefix { $0 != "." }) ?? 0)
    }
    return tables
  }

  /// A look lasts some milliseconds. A server that writes all it can into the smallest memtables, of 64 KiB, removes a
  /// log every 50 or so.
  private static let looks = 100
  private static let fewestLooks = 5
  private static let longestLooks = Duration.seconds(10)

  deinit {
    // No call can be inside: each holds a reference to this object.
    if gate.shut() { destroyDatabase() }
    unsafe rocksdb_writeoptions_destroy(writeSync)
    unsafe rocksdb_writeoptions_destroy(writeBuffered)
  }

  /// Runs a call inside the gate.
  @inline(__always)
  func inside<Value>(
    _ body: (OpaquePointer) throws(EngineError) -> Value
  ) throws(EngineError) -> Value {
    guard gate.enter() else { throw .closed }
    defer { gate.leave() }
    return try unsafe body(database)
  }

  /// Gives the database back.
  /// - Precondition: the gate is shut by the caller, and empty.
  func destroyDatabase() {
    snapshots.withLock { snapshots in
      for snapshot in snapshots {
        unsafe rocksdb_release_snapshot(database, OpaquePointer(bitPattern: snapshot))
      }
      snapshots.removeAll()
    }
    unsafe rocksdb_close(database)
  }

  /// - Precondition: called inside the gate.
  func createSnapshot() -> OpaquePointer? {
    guard let snapshot = unsafe rocksdb_create_snapshot(database) else { return nil }
    _ = snapshots.withLock { $0.insert(UInt(bitPattern: snapshot)) }
    return unsafe snapshot
  }

  /// Releases a snapshot, unless the close has done so.
  func release(_ snapshot: OpaquePointer) {
    let address = UInt(bitPattern: snapshot)
    snapshots.withLock { snapshots in
      guard snapshots.remove(address) != nil else { return }
      unsafe rocksdb_release_snapshot(database, OpaquePointer(bitPattern: address))
    }
  }
}

/// Owns a `rocksdb_readoptions_t`.
@safe
struct RocksDBReadOptions: ~Copyable {
  let options: OpaquePointer

  /// - Parameters:
  ///   - snapshot: must stay unreleased while reads use these options.
  ///   - ignoringRangeDeletes: whether records that a range delete covers are shown.
  init(_ tier: ReadTier, snapshot: OpaquePointer? = nil, ignoringRangeDeletes: Bool = false) {
    unsafe options = rocksdb_readoptions_create().unsafelyUnwrapped
    if case .memory = tier {
      unsafe rocksdb_readoptions_set_read_tier(options, 1)  // kBlockCacheTier
    }
    if tier.neverBlocks {
      // A scan that steps over many deleted records ends as "Incomplete", like one that needs the disk:
      // the caller's thread has other work.
      unsafe rocksdb_readoptions_set_max_skippable_internal_keys(options, 1000)
    }
    if let snapshot = unsafe snapshot { unsafe rocksdb_readoptions_set_snapshot(options, snapshot) }
    // The default, said here because the contract hangs on it.
    unsafe rocksdb_readoptions_set_verify_checksums(options, 1)
    unsafe rocksdb_readoptions_set_ignore_range_deletions(options, ignoringRangeDeletes ? 1 : 0)
    unsafe rocksdb_readoptions_set_background_purge_on_iterator_cleanup(options, 1)
  }

  deinit { unsafe rocksdb_readoptions_destroy(options) }
}

/// A consistent point of a ``RocksDBEngine``.
///
/// Thread-safety: immutable; RocksDB's snapshots may be read from any thread.
@safe
final class RocksDBSnapshot: EngineSnapshot, @unchecked Sendable {
  let handle: RocksDBHandle
  let snapshot: OpaquePointer
  let readAny: RocksDBReadOptions
  let readMemory: RocksDBReadOptions
  let readPageCache: RocksDBReadOptions

  init(_ snapshot: OpaquePointer, of handle: RocksDBHandle) {
    self.handle = handle
    unsafe self.snapshot = snapshot
    readAny = unsafe RocksDBReadOptions(.any, snapshot: snapshot)
    readMemory = unsafe RocksDBReadOptions(.memory, snapshot: snapshot)
    readPageCache = unsafe RocksDBReadOptions(.pageCache, snapshot: snapshot)
  }

  deinit { unsafe handle.release(snapshot) }
}
