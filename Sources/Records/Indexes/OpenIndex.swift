import Synchronization

// SAFETY: a key is lent until the return; a cursor is not changed while it is compared.

/// An index of an open database: its plan, and how far it is built.
///
/// Thread-safety: every call from any thread; only the commit thread changes the state.
package final class OpenIndex: Sendable {
  /// How far an index is.
  package enum State: Equatable, Sendable {
    /// So many of so many records have their entries; the second figure may be an estimate.
    case building(done: UInt64, total: UInt64)
    /// Every record has its entries.
    case ready
    /// Why it cannot be built: a sentence each, at most 100.
    case failed([String])
  }

  private enum Phase {
    static let building: UInt8 = 0
    static let ready: UInt8 = 1
    static let failed: UInt8 = 2
  }

  private struct Details: Sendable {
    var state: State
    /// The key of the last record with entries, while it is built; empty before the first one.
    var cursor: [UInt8]
  }

  /// How its entries are made and read.
  package let plan: IndexPlan
  /// As the catalogue gave it.
  package let id: UInt32
  private let phase: Atomic<UInt8>
  private let details: Mutex<Details>

  /// - Parameter cursor: of an index that is being built.
  init(_ plan: IndexPlan, id: UInt32, state: State, cursor: [UInt8] = []) {
    self.plan = plan
    self.id = id
    phase = Atomic(Self.phase(of: state))
    details = Mutex(Details(state: state, cursor: cursor))
  }

  private static func phase(of state: State) -> UInt8 {
    switch state {
    case .building: Phase.building
    case .ready: Phase.ready
    case .failed: Phase.failed
    }
  }

  /// Whether every record has its entries, and reads may use it.
  @inline(__always)
  package var isReady: Bool { phase.load(ordering: .acquiring) == Phase.ready }

  /// Whether it has no entries, and gets none.
  var isFailed: Bool { phase.load(ordering: .relaxed) == Phase.failed }

  /// How far it is.
  package var state: State { details.withLock { $0.state } }

  var cursor: [UInt8] { details.withLock { $0.cursor } }

  /// - Parameter cursor: of an index that is being built.
  func become(_ state: State, cursor: [UInt8] = []) {
    details.withLock { $0 = Details(state: state, cursor: cursor) }
    phase.store(Self.phase(of: state), ordering: .releasing)
  }

  /// Whether the entries of a record are kept: while an index is built, those of records up to the cursor; the builder
  /// makes the others.
  ///
  /// - Parameter key: of the record, without its prefix.
  @safe
  func keepsEntries(ofKey key: UnsafeRawBufferPointer) -> Bool {
    switch phase.load(ordering: .relaxed) {
    case Phase.ready: true
    case Phase.building:
      details.withLock { details in
        unsafe !details.cursor.isEmpty
          && details.cursor.withUnsafeBytes { unsafe !$0.lexicographicallyPrecedes(key) }
      }
    default: false
    }
  }
}
