package import Engine
import Glibc
import Platform

// SAFETY: a String lends its path, which ends with NUL, to a system call until that returns, and a
// `stat` or `statvfs` likewise.

/// What must be found in the store of a data directory: asked before it is opened, by a start and by the tools.
package struct StoreExpectation: Equatable, Sendable {
  /// The data directory.
  let directory: String
  /// The one whose store it must be.
  let engine: EngineDescriptor
  /// Whether a store that is not there is a loss.
  let mustHaveStore: Bool
  /// Which store it must be; nil when that is not known.
  let identity: StoreIdentity?
  /// The sequence number that the store must reach.
  let required: UInt64
  /// What was acknowledged. More than `required` after the machine went down: what was not synced may be gone then.
  let acknowledged: UInt64
  /// How much of it was synced.
  let durable: UInt64
  /// The files of a store that was closed; nil when it was not, or is open.
  let files: [StoreFile]?
  /// Of a store that was not closed; nil where nothing binds.
  let manifest: ManifestExtent?

  var storePath: String { directory + "/" + DataDirectory.storeName }

  /// Reads marker and mark of the data directory. Changes nothing.
  ///
  /// - Throws: when the mark is missing that the marker speaks of, or one of them is damaged.
  package init(of directory: String, engine: EngineDescriptor) throws(DatabaseError) {
    guard let marker = try DataDirectoryMarker(in: directory) else {
      throw .markerMissing(path: directory)
    }
    try self.init(directory: directory, engine: engine, marker: marker)
  }

  init(
    directory: String, engine: EngineDescriptor, marker: DataDirectoryMarker?
  ) throws(DatabaseError) {
    self.directory = directory
    self.engine = engine
    let mark = try CommitMark.read(in: directory)
    guard mark != nil || marker?.isStoreMade != true else { throw .markMissing(path: directory) }
    identity = marker?.identity
    mustHaveStore = marker.map { $0.isStoreMade || $0.format == 1 } ?? false
    let bootID = CommitMarkImage.currentBootID()
    required = mark?.required(bootID: bootID) ?? 0
    acknowledged = mark?.slot.acknowledged ?? 0
    durable = mark?.slot.durable ?? 0
    files = mark?.files
    manifest = mark.flatMap {
      $0.isOfBoot(bootID) && $0.slot.manifest.number > 0 ? $0.slot.manifest : nil
    }
  }

  /// Checks what can be told without opening the store. Blocks on disk I/O.
  ///
  /// - Throws: naming what is in the way, or each file that is gone or is another one than it was.
  package func checkFiles() throws(DatabaseError) {
    guard try checkFolder() else { return }
    let now = try StoreFile.list(storePath, of: engine)
    if let files {
      let differences = StoreFile.differences(then: files, now: now)
      guard differences.isEmpty else {
        throw .storeChanged(path: directory, differences: differences)
      }
    }
    if mustHaveStore {
      let current = engine.files.current
      guard now.contains(where: { $0.name == current }) else {
        throw .storeLost(
          path: storePath, what: now.isEmpty ? "is empty" : "has no file \(current)")
      }
    }
    guard let manifest else { return }
    // A store's manifests have growing numbers, and there is one at all times.
    let manifests = now.compactMap { file -> (number: UInt64, file: StoreFile)? in
      guard case .manifest(let number) = engine.files.kind(of: file.name) else { return nil }
      return (number, file)
    }
    guard manifests.contains(where: { $0.number >= manifest.number }) else {
      throw .storeChanged(
        path: directory,
        differences: ["the manifest number \(manifest.number), or a later one, is missing"])
    }
    for (number, file) in manifests
    where number == manifest.number && file.bytes < manifest.bytes {
      throw .storeChanged(
        path: directory,
        differences: ["\(file.name) has \(file.bytes) bytes (it had \(manifest.bytes))"])
    }
  }

  /// - Returns: whether there is a folder of the store.
  private func checkFolder() throws(DatabaseError) -> Bool {
    var status = stat()
    guard unsafe stat(storePath, &status) == 0 else {
      let code = errno
      if code == ENOENT, let target = FileTrouble.target(ofLink: storePath) {
        throw .storeLost(path: storePath, what: "is a link to \(target), which is not there")
      }
      guard code == ENOENT else {
        errno = code
        throw .cannot("use", storePath)
      }
      if mustHaveStore { throw .storeLost(path: storePath, what: "is missing") }
      return false
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw .storeLost(path: storePath, what: "is a file, not a folder")
    }
    return true
  }

  /// Checks that an opened store is the right one, and reaches as far as it must.
  package func check(_ store: StoreFacts) throws(DatabaseError) {
    guard identity == nil || store.identity == identity else {
      throw .storeForeign(path: directory)
    }
    guard store.lastSequence < required else { return }
    throw .storeBehind(path: directory, last: store.lastSequence, acknowledged: required)
  }
}

/// A store that a server has open.
struct OpenedStore {
  let engine: any StorageEngine
  let mark: CommitMark
  /// How many acknowledged changes went with the machine before they were synced.
  let unsyncedLossCount: UInt64
}

extension DataDirectory {
  /// Opens the store; one that is missing, or ends before the last acknowledged change, is an error and is left
  /// as it is. Blocks on disk I/O.
  ///
  /// The logs are replayed twice, first for reading only. An open that writes would make a loss final that moving a
  /// file back could still mend, and change the store of another database.
  func openStore(_ options: EngineOptions) throws(DatabaseError) -> OpenedStore {
    try checkRoom()
    let expectation = try StoreExpectation(of: path, engine: engine)
    try expectation.checkFiles()
    if expectation.mustHaveStore {
      var reading = options
      reading.isReadOnly = true
      reading.createIfMissing = false
      let probe = try Self.openEngine(engine, storePath, reading)
      let found = Result { () throws(DatabaseError) in try StoreFacts(of: probe, directory: path) }
      try? probe.close()
      try expectation.check(try found.get())
    }
    let mark = try CommitMark(
      directory: path, required: expectation.required, durable: expectation.durable)
    var options = options
    options.createIfMissing = !expectation.mustHaveStore
    let store = try Self.openEngine(engine, storePath, options)
    do throws(DatabaseError) {
      try Folder.sync(path, orThrow: DatabaseError.init)
      let facts = try StoreFacts(of: store, directory: path)
      try expectation.check(facts)
      // The open has written what the logs held into tables.
      mark.record(store, .sync)
      let last = facts.lastSequence
      return OpenedStore(
        engine: store, mark: mark,
        unsyncedLossCount: expectation.acknowledged > last ? expectation.acknowledged - last : 0)
    } catch {
      try? store.close()
      throw error
    }
  }

  /// Not every engine comes through an open within whose last few KiB the disk is full: one ends the process.
  private func checkRoom() throws(DatabaseError) {
    var disk = statvfs()
    guard unsafe statvfs(path, &disk) == 0 else { return }
    let blocks = geteuid() == 0 ? disk.f_bfree : disk.f_bavail
    let (bytes, isHuge) = UInt64(blocks).multipliedReportingOverflow(by: UInt64(disk.f_frsize))
    guard !isHuge, bytes < Self.roomBytes else { return }
    throw .noRoom(path: path, bytes: bytes, needed: Self.roomBytes)
  }

  private static let roomBytes: UInt64 = 1 << 20

  private static func openEngine(
    _ engine: EngineDescriptor, _ directory: String, _ options: EngineOptions
  ) throws(DatabaseError) -> any StorageEngine {
    do throws(EngineError) {
      return try engine.open(directory, options: options)
    } catch {
      throw .engine(error)
    }
  }
}
