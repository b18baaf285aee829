import Engine
import Glibc

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
  private let engine: EngineKind

  /// Looks at a data directory; changes nothing. Blocks on disk I/O.
  ///
  /// - Throws: when the store does not open for reading.
  package init(_ location: StoreLocation, directory: String) throws(ServerError) {
    self.directory = directory
    engine = location.engine
    var problems: [String] = []
    var acknowledged: UInt64?
    do throws(ServerError) {
      if try DataDirectoryMarker(in: directory) == nil {
        problems.append("\(DataDirectoryMarker.fileName) is missing")
      }
    } catch .markerDamaged {
      problems.append("\(DataDirectoryMarker.fileName) is not the marker that was written")
    }
    do throws(ServerError) {
      let expectation = try StoreExpectation(directory: directory, marker: nil)
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
    do throws(EngineError) {
      let store = try EngineKind.open(
        location.engine, directory: location.storePath, options: options)
      let last = Result { () throws(EngineError) in try store.lastSequence() }
      try store.close()
      lastSequence = try last.get()
    } catch {
      throw .engine(error)
    }
    self.acknowledged = acknowledged
    if let acknowledged, acknowledged > lastSequence {
      problems.append(
        "the store ends with change \(lastSequence), and change \(acknowledged) was acknowledged")
    }
    self.problems = problems
  }

  /// Writes marker and mark, durably. The caller holds the directory's ``StoreLock``.
  package func apply() throws(ServerError) {
    // Nobody has synced what the logs hold: the next start does.
    _ = try CommitMark(directory: directory, required: lastSequence, durable: 0)
    let marker = DataDirectoryMarker(engine: engine, isStoreMade: true)
    try SmallFile.replace(
      DataDirectoryMarker.fileName, in: directory, with: Array(marker.text.utf8))
  }
}
