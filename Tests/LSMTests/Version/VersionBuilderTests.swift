import LSM
import Testing

@Suite("Version builder") struct VersionBuilderTests {
  private static func isRefused(
    _ base: Version, removing removed: [VersionEdit.Removal] = [],
    adding added: [(level: Int, file: TableFile)] = []
  ) -> Bool {
    do throws(LSMError) {
      _ = try VersionBuilder.version(after: base, removing: removed, adding: added)
      return false
    } catch {
      if case .brokenInvariant = error { return true }
      return false
    }
  }

  @Test func putsLevelZeroInOrderOfTimeAndOthersInOrderOfKeys() throws {
    let maker = try TableMaker()
    let first = try maker.table(1...9, sequence: 1, epoch: 1)
    let second = try maker.table(1...9, sequence: 20, epoch: 2)
    let low = try maker.table(1...3)
    let high = try maker.table(4...9)
    let version = try VersionBuilder.version(
      after: .empty, removing: [], adding: [(0, first), (0, second), (3, high), (3, low)])
    #expect(version.numbers(0) == [second, first].map(\.metadata.number))
    #expect(version.numbers(3) == [low, high].map(\.metadata.number))
    #expect((1..<Version.levelCount).allSatisfy { $0 == 3 || version.files(at: $0).isEmpty })
  }

  @Test func movesATableAndLeavesTheVersionBeforeAsItWas() throws {
    let maker = try TableMaker()
    let file = try maker.table(1...3)
    let base = try TableMaker.version([2: [file]])
    let next = try VersionBuilder.version(
      after: base, removing: [.init(level: 2, number: file.metadata.number)], adding: [(3, file)])
    #expect(next.numbers(2) == [] && next.numbers(3) == [file.metadata.number])
    #expect(base.numbers(2) == [file.metadata.number] && base.numbers(3) == [])
  }

  @Test func refusesToRemoveWhatIsNotThere() throws {
    let maker = try TableMaker()
    let file = try maker.table(1...3)
    let base = try TableMaker.version([2: [file]])
    #expect(Self.isRefused(base, removing: [.init(level: 3, number: file.metadata.number)]))
    #expect(Self.isRefused(base, removing: [.init(level: 2, number: 99)]))
    #expect(!Self.isRefused(base, removing: [.init(level: 2, number: file.metadata.number)]))
  }

  @Test(
    arguments: [
      (1...4, 4...9, true), (1...9, 2...3, true), (1...4, 5...9, false), (5...9, 1...4, false),
    ] as [(ClosedRange<UInt8>, ClosedRange<UInt8>, Bool)])
  func refusesTablesOfALevelThatShareAKey(
    first: ClosedRange<UInt8>, second: ClosedRange<UInt8>, isRefused: Bool
  ) throws {
    let maker = try TableMaker()
    let base = try TableMaker.version([1: [try maker.table(first)]])
    #expect(Self.isRefused(base, adding: [(1, try maker.table(second))]) == isRefused)
  }

  /// The end of a range tombstone is not among the keys that it deletes.
  @Test func takesATableThatBeginsWhereARangeTombstoneEnds() throws {
    let maker = try TableMaker()
    // It deletes up to the key [4, 0], exclusive.
    let left = try maker.table(1...2, deleting: 1...4)
    #expect(!Self.isRefused(.empty, adding: [(1, left), (1, try maker.table(5...6))]))
    #expect(Self.isRefused(.empty, adding: [(1, left), (1, try maker.table(4...6))]))
  }

  @Test(
    arguments: [
      (20, 2, false), (20, 1, true), (9, 2, true), (1, 2, true),
    ] as [(UInt64, UInt64, Bool)])
  func refusesTablesOfLevelZeroThatOverlapInTime(
    sequence: UInt64, epoch: UInt64, isRefused: Bool
  ) throws {
    let maker = try TableMaker()
    let base = try TableMaker.version([0: [try maker.table(1...9, sequence: 1, epoch: 1)]])
    let next = try maker.table(1...9, sequence: sequence, epoch: epoch)
    #expect(Self.isRefused(base, adding: [(0, next)]) == isRefused)
  }
}
