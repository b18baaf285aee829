import Glibc
package import LSM
import Synchronization
import TestSupport

/// A file system in memory that keeps what a disk keeps, and fails where a test asks it to.
///
/// The model, after ALICE (OSDI 2014) and Rebello et al. (ATC 2020):
///
/// - A file is what reads see (the page cache) and what is on the disk. An append dirties 4 KiB blocks;
///   a sync writes the dirty ones. A crash decides for each dirty block by coin: it reached the disk, it
///   did not, or only some of its 512-byte sectors did. The file's length is a dirty thing too. Blocks
///   inside the new length that did not arrive hold zeros or old bytes of someone else.
/// - A directory keeps for each name all that it meant since the last sync of the directory. A crash
///   picks one of them, for each name by itself, so names come back in orders that no program made.
/// - A failed sync forgets which blocks are dirty, and writes a part of them or none: reads go on showing
///   the bytes, the next sync succeeds, and a crash brings the loss to light.
/// - Calls are counted from 1. One of them can fail, and after one of them the process can "die": every
///   later call is refused.
///
/// ``crash(seed:)`` is the machine after reboot, ``restart()`` the same machine after the process died.
package final class MemoryFileSystem: FileSystem {
  package static let blockBytes = 4096
  package static let sectorBytes = 512

  /// How a call fails.
  package enum Fault: CaseIterable {
    /// EIO, and nothing happened.
    case refused
    /// EIO, and yet everything happened.
    case deniedAfterwards
    /// ENOSPC; an append leaves the first half of its bytes.
    case noSpace
    /// As `refused`, but a sync loses the dirty blocks and calls them clean.
    case lostSync
  }

  enum Node: Equatable, Sendable {
    case file(Int)
    case directory
  }

  struct Inode: Sendable {
    /// What reads see.
    var content: [UInt8] = []
    /// What is on the disk.
    var durable: [UInt8] = []
    /// Indexes of blocks of `content` that a sync has to write.
    var dirtyBlocks: Set<Int> = []
    var isSizeDirty = false
  }

  struct State: Sendable {
    var inodes: [Int: Inode] = [:]
    var nextInode = 1
    /// Directory path → name → meanings since the last sync; the first is durable, the last current.
    var directories: [String: [String: [Node?]]] = ["/": [:]]
    var locks: Set<String> = []
    var calls = 0
    var faults: [Int: Fault] = [:]
    /// Fails every call that it names a fault for, until it is taken away.
    var rule: (@Sendable (FileOperation, String) -> Fault?)?
    /// Where the rule holds.
    var ruledCalls = 0..<Int.max
    var lastCall = Int.max
    var hitFaults = 0
    /// Whether the bytes at an offset of a file are in the page cache; nil: all are.
    var isCached: (@Sendable (String, UInt64) -> Bool)?
    /// What was asked to be read ahead.
    var prefetches: [Range<UInt64>] = []
  }

  let state: Mutex<State>

  package init() { state = Mutex(State()) }

  private init(_ newState: State) { state = Mutex(newState) }

  // MARK: - What tests ask for

  /// Calls made so far.
  package var calls: Int { state.withLock { $0.calls } }

  /// How many faults were hit.
  package var hitFaults: Int { state.withLock { $0.hitFaults } }

  /// Lets the call with this number (from 1) fail.
  package func fail(call: Int, _ fault: Fault) { state.withLock { $0.faults[call] = fault } }

  /// Lets every call fail that `rule` names a fault for; nil ends that.
  package func fail(by rule: (@Sendable (FileOperation, String) -> Fault?)?) {
    state.withLock { state in
      state.rule = rule
      state.ruledCalls = 0..<Int.max
    }
  }

  /// Lets the calls with these numbers fail that `rule` names a fault for.
  package func fail(
    byCalls calls: Range<Int>, _ rule: @escaping @Sendable (FileOperation, String) -> Fault?
  ) {
    state.withLock { state in
      state.rule = rule
      state.ruledCalls = calls
    }
  }

  /// Says which bytes of files are in the page cache; nil: all are.
  package func setCached(_ isCached: (@Sendable (String, UInt64) -> Bool)?) {
    state.withLock { $0.isCached = isCached }
  }

  /// What was asked to be read ahead since the last call.
  package func takePrefetches() -> [Range<UInt64>] {
    state.withLock { state in
      defer { state.prefetches = [] }
      return state.prefetches
    }
  }

  /// Refuses every call after this one, as if the process had died.
  package func die(afterCall call: Int) { state.withLock { $0.lastCall = call } }

  /// The machine after a power cut now. The same seed gives the same state.
  package func crash(seed: UInt64) -> MemoryFileSystem {
    state.withLock { state in
      var random = SeededGenerator(seed: seed)
      return MemoryFileSystem(state.afterCrash(&random))
    }
  }

  /// The machine after the process died now: all that was written is there, nothing is locked.
  package func restart() -> MemoryFileSystem {
    state.withLock { state in
      var next = State()
      next.inodes = state.inodes
      next.nextInode = state.nextInode
      next.directories = state.directories
      return MemoryFileSystem(next)
    }
  }

  /// The bytes that reads see; nil when there is no such file. Not counted.
  package func bytes(of path: String) -> [UInt8]? {
    state.withLock { state in state.inode(at: path).map { state.inodes[$0]?.content ?? [] } }
  }

  /// Replaces a file's bytes, on the disk too. Not counted.
  package func setBytes(of path: String, _ bytes: [UInt8]) {
    state.withLock { state in
      let inode = state.inode(at: path) ?? state.addFile(path)
      state.inodes[inode] = Inode(content: bytes, durable: bytes)
      let (directory, name) = State.split(path)
      state.directories[directory]?[name] = [.file(inode)]
    }
  }

  /// The files of a directory. Not counted.
  package func names(in directory: String) -> [String] {
    state.withLock { $0.names(in: directory) }
  }

  // MARK: - FileSystem

  package func create(_ path: String) throws(LSMError) -> any WritableFile {
    let inode = try call(.create, path) { (state) throws(LSMError) in
      guard state.node(at: path) == nil else {
        throw .alreadyExists(LSMError.Failure(.create, path: path, code: EEXIST))
      }
      try state.requireDirectory(of: path, .create)
      return state.addFile(path)
    }
    return MemoryWritableFile(self, inode: inode, path: path)
  }

  package func open(_ path: String) throws(LSMError) -> any ReadableFile {
    let (inode, size) = try call(.open, path) { (state) throws(LSMError) in
      let inode = try state.requireFile(path, .open)
      return (inode, UInt64(state.inodes[inode]?.content.count ?? 0))
    }
    return MemoryReadableFile(self, inode: inode, size: size, path: path)
  }

  package func list(_ directory: String) throws(LSMError) -> [String] {
    try call(.list, directory) { (state) throws(LSMError) in
      guard state.directories[directory] != nil else {
        throw .notFound(LSMError.Failure(.list, path: directory, code: ENOENT))
      }
      return state.names(in: directory)
    }
  }

  package func exists(_ path: String) throws(LSMError) -> Bool {
    try call(.inspect, path) { (state) throws(LSMError) in state.node(at: path) != nil }
  }

  package func rename(_ from: String, to: String) throws(LSMError) {
    try call(.rename, from) { (state) throws(LSMError) in
      let inode = try state.requireFile(from, .rename)
      state.set(from, nil)
      state.set(to, .file(inode))
    }
  }

  package func remove(_ path: String) throws(LSMError) {
    try call(.remove, path) { (state) throws(LSMError) in
      _ = try state.requireFile(path, .remove)
      state.set(path, nil)
    }
  }

  package func link(_ from: String, to: String) throws(LSMError) {
    try call(.link, to) { (state) throws(LSMError) in
      let inode = try state.requireFile(from, .link)
      guard state.node(at: to) == nil else {
        throw .alreadyExists(LSMError.Failure(.link, path: to, code: EEXIST))
      }
      try state.requireDirectory(of: to, .link)
      state.set(to, .file(inode))
    }
  }

  package func createDirectory(_ path: String) throws(LSMError) {
    try call(.createDirectory, path) { (state) throws(LSMError) in
      guard state.node(at: path) == nil else {
        throw .alreadyExists(LSMError.Failure(.createDirectory, path: path, code: EEXIST))
      }
      try state.requireDirectory(of: path, .createDirectory)
      state.set(path, .directory)
      state.directories[path] = [:]
    }
  }

  package func syncDirectory(_ path: String) throws(LSMError) {
    try call(.syncDirectory, path) { (state) throws(LSMError) in
      guard let entries = state.directories[path] else {
        throw .notFound(LSMError.Failure(.syncDirectory, path: path, code: ENOENT))
      }
      state.directories[path] = entries.compactMapValues { meanings in
        meanings.last.flatMap { $0 }.map { [$0] }
      }
    }
  }

  package func sync(_ path: String) throws(LSMError) {
    try call(.sync, path) { (state) throws(LSMError) in
      let inode = try state.requireFile(path, .sync)
      state.inodes[inode]?.sync()
    } onFault: { state in
      if let inode = state.inode(at: path) { state.inodes[inode]?.loseDirtyBlocks() }
    }
  }

  package func lock(_ path: String) throws(LSMError) -> any FileLock {
    try call(.lock, path) { (state) throws(LSMError) in
      if state.node(at: path) == nil {
        try state.requireDirectory(of: path, .lock)
        _ = state.addFile(path)
      }
      guard state.locks.insert(path).inserted else { throw .lockHeld(path: path) }
    }
    return MemoryFileLock(self, path: path)
  }

  // MARK: - Calls and faults

  /// Counts a call and runs it, unless it is to fail. `onFault` is the damage a failing call does.
  func call<Result: Sendable>(
    _ operation: FileOperation, _ path: String,
    _ body: (inout State) throws(LSMError) -> Result,
    onNoSpace: (inout State) -> Void = { _ in }, onFault: (inout State) -> Void = { _ in }
  ) throws(LSMError) -> Result {
    try state.withLock { (state) throws(LSMError) -> Result in
      state.calls += 1
      let io = LSMError.io(LSMError.Failure(operation, path: path, code: EIO))
      guard state.calls <= state.lastCall else { throw io }
      guard let fault = state.fault(operation, path) else { return try body(&state) }
      state.hitFaults += 1
      switch fault {
      case .refused:
        throw io
      case .deniedAfterwards:
        _ = try body(&state)
        throw io
      case .noSpace:
        onNoSpace(&state)
        throw .noSpace(LSMError.Failure(operation, path: path, code: ENOSPC))
      case .lostSync:
        onFault(&state)
        throw io
      }
    }
  }
}
