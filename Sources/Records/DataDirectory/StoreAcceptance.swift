import Engine
import Glibc
import Platform

/// Takes a store as it is: writes marker and commit mark anew, after somebody has decided that what is gone is gone.
///
/// For `seandb repair`. The store itself is not changed, and must open for reading.
package struct StoreAcceptance: Sendable {
  /// The newest change that the store has.
  package let lastSequence: UInt64
  /// The newest change that was acknowledged, as far as that is known.
  package let acknowledged: UInt64?
  /// What was wrong with marker, mark or files, one sentence each; none when all was as it must be.
  package let problems: [String]
  /// Whether nobody knows how many acknowledged changes are gone, because the mark is.
  package var isLossUnknown: Bool { acknowledged == nil }
  /// Acknowledged changes that are not there.
  package var lostChangeCount: UInt64 {
    acknowledged.map { $0 > lastSequence ? $0 - lastSequence : 0 } ?? 0
  }

  private let directory: String
  private let engine: EngineDescriptor
  /// Of the store; nil in one of an earlier program.
  private let identity: StoreIdentity?
  private let format: StoreFormat

  /// Looks at a data directory; changes nothing. Blocks on disk I/O.
  ///
  /// - Throws: when the store does not open for reading.
  package init(_ location: StoreLocation, directory: String) throws(DatabaseError) {
    self.directory = directory
    engine = location.engine
    var problems: [String] = []
    var acknowledged: UInt64?
    var marker: DataDirectoryMarker?
    do throws(DatabaseError) {
      marker = try DataDirectoryMarker(in: directory)
      if marker == nil {
        problems.append("\(DataDirectoryMarker.fileName) is missing")
      }
    } catch .markerDamaged {
      problems.append("\(DataDirectoryMarker.fileName) is not the marker that was written")
    }
    do throws(DatabaseError) {
      let expectation = try StoreExpectation(
        directory: directory, engine: location.engine, marker: nil)
      acknowledged = expectation.required
      if try CommitMark.read(in: directory) == nil {
        acknowledged = nil
        problems.append("\(CommitMarkImage.fileName) is missing")
      }
      try expectation.checkFiles()
    } catch {
      switch error {
      case .markDamaged: problems.append("\(CommitMarkImage.fileName) is damaged")
      case .storeChanged(_, let differences): problems += differences
      default: throw error
      }
    }
    var options = EngineOptions()
    options.isReadOnly = true
    options.createIfMissing = false
    let store: any StorageEngine
    do throws(EngineError) {
      store = try location.engine.open(location.storePath, options: options)
    } catch {
      throw .engine(error)
    }
    let found = Result { () throws(DatabaseError) in try StoreFacts(of: store, directory: directory)
    }
    try? store.close()
    let facts = try found.get()
    lastSequence = facts.lastSequence
    identity = facts.identity
    format = facts.format
    self.acknowledged = acknowledged
    if let expected = marker?.identity, identity != expected {
      problems.append(
        identity == nil
          ? "the store has lost its identity" : "the store is another database's")
    }
    if let acknowledged, acknowledged > lastSequence {
      problems.append(
        "the store ends with change \(lastSequence), and change \(acknowledged) was acknowledged")
    }
    self.problems = problems
  }

  /// Writes marker and mark, durably. The caller holds the directory's ``StoreLock``.
  package func apply() throws(DatabaseError) {
    // Nobody has synced what the logs hold: the next start does.
    _ = try CommitMark(directory: directory, required: lastSequence, durable: 0)
    // A store without an identity gets one at its next start: until then the marker must not speak of it.
    let text =
      identity.map {
        DataDirectoryMarker(engine: engine, identity: $0, format: format).text
      }
      ?? DataDirectoryMarker.textOfUnknownStore(engine)
    try SmallFile.replace(
      DataDirectoryMarker.fileName, in: directory, with: Array(text.utf8),
      orThrow: DatabaseError.init)
  }
}
