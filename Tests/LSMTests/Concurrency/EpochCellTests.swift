import LSM
import Synchronization
import Testing

@Suite("Epoch cell") struct EpochCellTests {
  /// Counts those that are there.
  private final class Item: Sendable {
    let number: Int
    private let live: Counter

    init(_ number: Int, _ live: Counter) {
      self.number = number
      self.live = live
      live.add(1)
    }

    deinit { live.add(-1) }
  }

  private final class Counter: Sendable {
    private let value = Atomic<Int>(0)

    var count: Int { value.load(ordering: .sequentiallyConsistent) }

    func add(_ number: Int) { value.add(number, ordering: .sequentiallyConsistent) }
  }

  private static func number(_ cell: EpochCell<Item>) -> Int? { cell.withValue { $0?.number } }

  @Test func givesTheLastObjectAndReleasesTheOthers() {
    let live = Counter()
    let cell = EpochCell(Item(0, live))
    for number in 1...10 {
      cell.replace(Item(number, live))
      #expect(Self.number(cell) == number)
      #expect(live.count == 2)
      #expect(cell.reclaim())
      #expect(live.count == 1)
    }
    cell.replace(nil)
    #expect(Self.number(cell) == nil && cell.strongValue() == nil)
    cell.synchronize()
    #expect(live.count == 0)
  }

  @Test func keepsAnObjectUntilItsReaderHasLeft() {
    let live = Counter()
    let cell = EpochCell(Item(1, live))
    cell.withValue { item in
      cell.replace(Item(2, live))
      #expect(!cell.reclaim())
      #expect(item?.number == 1 && live.count == 2)
      // A reader that comes later sees the new one, and does not let the old one go either.
      #expect(Self.number(cell) == 2)
      #expect(!cell.reclaim())
      #expect(live.count == 2)
    }
    #expect(cell.reclaim())
    #expect(live.count == 1)
  }

  @Test func aKeptObjectOutlivesItsPlace() {
    let live = Counter()
    let cell = EpochCell(Item(1, live))
    var kept = cell.strongValue()
    cell.replace(nil)
    cell.synchronize()
    #expect(kept?.number == 1 && live.count == 1)
    kept = nil
    #expect(live.count == 0)
  }

  @Test func releasesAllWithItself() {
    let live = Counter()
    do {
      let cell = EpochCell(Item(1, live))
      cell.replace(Item(2, live))
      cell.replace(Item(3, live))
    }
    #expect(live.count == 0)
  }

  /// Readers on threads of their own: the numbers that each sees ascend, of objects that are still there.
  @Test func readersNeverMeetAReleasedObject() async {
    let live = Counter()
    let cell = EpochCell(Item(0, live))
    let done = Counter()
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<3 {
        group.addTask {
          var last = 0
          var ascends = true
          while done.count == 0 {
            let seen = cell.withValue { item in item.map { live.count > 0 ? $0.number : -1 } } ?? -1
            ascends = ascends && seen >= last
            last = seen
          }
          return ascends
        }
      }
      for number in 1...20_000 {
        cell.replace(Item(number, live))
        cell.reclaim()
      }
      done.add(1)
      for await ascends in group { #expect(ascends) }
    }
    cell.synchronize()
    #expect(live.count == 1)
  }
}
