package import Engine
import Glibc
import Platform
import Synchronization

// SAFETY: a String lends its path, which ends with NUL, to a system call until that returns, a slot
// its bytes likewise.

/// The file `COMMITTED` of an open data directory: tells the next start how far the store must reach.
///
/// An engine finds out by itself what is damaged in the files it knows of, and RocksDB not even that a log is gone:
/// the records in it are then simply not there. The mark is outside of the store and has the sequence number of the
/// newest acknowledged change, so that a store which ends before it is an error and never an answer.
///
/// The mark is always behind the store: it is written after the commit, and before the answers to its calls leave.
/// What it costs a group of commits is one `pwrite` of 40 bytes, without an fsync: after a power cut only the part
/// `durable` binds, whatever state of the mark the disk has then.
///
/// Thread-safety: every call from any thread.
package final class CommitMark: Sendable {
  private let directory: String
  private let descriptor: Int32
  private let bootID: [UInt8]
  private let state: Mutex<State>

  private struct State {
    var slot: CommitMarkImage.Slot
    var nextManifestLook: UInt64 = 0
    /// Whether the file was put in place by a newer one: this descriptor is of the old one then.
    var isClosed = false
  }

  /// The manifest's size is looked up this often at most, in nanoseconds.
  private static let manifestInterval: UInt64 = 100_000_000

  /// Writes the mark of a store that is about to be opened, durably.
  ///
  /// - Parameters:
  ///   - required: what the store must have.
  ///   - durable: how much of it is known to be synced. Until the open has written the logs' end into tables it may
  ///     be in the memory of the system alone.
  init(directory: String, required: UInt64, durable: UInt64) throws(DatabaseError) {
    self.directory = directory
    bootID = CommitMarkImage.currentBootID()
    let image = CommitMarkImage(
      bootID: bootID, slot: .init(acknowledged: required, durable: min(durable, required)),
      files: nil)
    try SmallFile.replace(
      CommitMarkImage.fileName, in: directory, with: image.bytes, orThrow: DatabaseError.init)
    let path = directory + "/" + CommitMarkImage.fileName
    descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .cannot("open", path) }
    state = Mutex(State(slot: image.slot))
  }

  deinit { close(descriptor) }

  /// Takes in that everything `engine` shows is acknowledged. To be called after each successful commit, before
  /// its calls are answered.
  package func record(_ engine: any StorageEngine, _ durability: Durability) {
    guard let sequence = try? engine.lastSequence() else { return }
    state.withLock { state in
      guard !state.isClosed else { return }
      state.slot.acknowledged = max(state.slot.acknowledged, sequence)
      if durability == .sync { state.slot.durable = state.slot.acknowledged }
      let now = MonotonicClock.now()
      if now >= state.nextManifestLook {
        state.nextManifestLook = now + Self.manifestInterval
        if let manifest = (engine as? any LocalStore)?.manifestExtent() {
          state.slot.manifest = manifest
        }
      }
      // A mark that cannot be written stays behind, which asks less of the next start and never too much.
      state.slot.withBytes { bytes in
        _ = unsafe pwrite(
          descriptor, bytes.baseAddress, bytes.count, off_t(CommitMarkImage.slotOffset))
      }
    }
  }

  /// Writes the mark of a store that was closed without an error and has all of its files on the disk.
  func closed(_ files: [StoreFile]) throws(DatabaseError) {
    let slot = state.withLock { state in
      state.isClosed = true
      return state.slot
    }
    let image = CommitMarkImage(
      bootID: bootID,
      slot: .init(acknowledged: slot.acknowledged, durable: slot.acknowledged), files: files)
    try SmallFile.replace(
      CommitMarkImage.fileName, in: directory, with: image.bytes, orThrow: DatabaseError.init)
  }

  private static let reads = 5

  /// Reads the mark of a data directory; nil when there is none. Changes nothing.
  static func read(in directory: String) throws(DatabaseError) -> CommitMarkImage? {
    let path = directory + "/" + CommitMarkImage.fileName
    // A server may be writing it: a read that met the middle of a write is read again.
    for _ in 0..<Self.reads {
      guard
        let bytes = try SmallFile.read(
          path, limitBytes: CommitMarkImage.limitBytes, orThrow: DatabaseError.init)
      else {
        return nil
      }
      do {
        return try CommitMarkImage(bytes)
      } catch .newerVersion(let version) {
        throw .newerFormat(path: path, version: "\(version)")
      } catch {
        continue
      }
    }
    throw .markDamaged(path: path)
  }
}
