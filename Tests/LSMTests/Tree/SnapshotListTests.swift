import LSM
import Testing

@Suite("Snapshot list") struct SnapshotListTests {
  private static func number(_ value: UInt64) -> SequenceNumber { SequenceNumber(rawValue: value) }

  @Test func tellsOfAReleaseThatSomebodyMayWaitFor() {
    let list = SnapshotList()
    let first = list.take { Self.number(5) }
    let same = list.take { Self.number(5) }
    let later = list.take { Self.number(9) }
    // Nobody has looked yet.
    #expect(list.oldest == Self.number(5))
    #expect(!list.release(first), "another one is at its place")
    #expect(list.release(same))
    #expect(list.note(isAwaited: false, oldest: Self.number(9)))
    #expect(!list.release(later))
    #expect(list.oldest == .maximum)
  }

  @Test func asksForAnotherLookWhenTheOldestHasGone() {
    let list = SnapshotList()
    let first = list.take { Self.number(5) }
    _ = list.take { Self.number(9) }
    let seen = list.oldest
    _ = list.release(first)
    #expect(!list.note(isAwaited: false, oldest: seen))
    #expect(list.note(isAwaited: true, oldest: list.oldest))
  }

  @Test func awaitsAgainWhenTablesAreNew() {
    let list = SnapshotList()
    #expect(list.note(isAwaited: false, oldest: .maximum))
    #expect(!list.release(list.take { Self.number(5) }))
    list.noteNewTables()
    #expect(list.release(list.take { Self.number(5) }))
  }
}
