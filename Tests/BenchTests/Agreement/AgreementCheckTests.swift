import Testing
import seandb_bench

@Suite("Agreement with a tool")
struct AgreementCheckTests {
  @Test(arguments: [
    (1, ["ours", "theirs", "theirs", "ours", "ours", "theirs"]),
    (2, ["theirs", "ours", "ours", "theirs", "theirs", "ours"]),
  ])
  func goesFirstByTurns(round: Int, order: [String]) {
    var ran: [String] = []
    func measure(_ name: String, _ rate: Double) -> Double {
      ran.append(name)
      return rate
    }
    let turns = AgreementTurn.alternate(
      3, round: round, ours: { measure("ours", 3) }, theirs: { measure("theirs", 2) })
    #expect(ran == order)
    #expect(turns.map(\.ours) == [3, 3, 3] && turns.map(\.theirs) == [2, 2, 2])
  }

  @Test(arguments: [
    // One turn far off changes nothing.
    ([1.0, 1.02, 7], 1.02, true), ([0.9], 0.9, true), ([0.89], 0.89, false),
    ([1.1], 1.1, true), ([1.2, 1.0, 1.3, 1.12], 1.16, false),
  ])
  func judgesByTheMedianOfTheTurns(ratios: [Double], median: Double, agrees: Bool) throws {
    let check = AgreementCheck(name: "case", tool: .dbBench) { _ in [] }
    var result = AgreementResult(of: check)
    #expect(result.ratio == nil && !result.agrees)
    for ratio in ratios { result.add([AgreementTurn(ours: ratio * 1000, theirs: 1000)]) }
    #expect(abs(try #require(result.ratio) - median) < 1e-9)
    #expect(result.agrees == agrees)
  }

  @Test func toolThatDidNothingAgreesWithNothing() {
    var result = AgreementResult(of: AgreementCheck(name: "case", tool: .h2load) { _ in [] })
    result.add([AgreementTurn(ours: 1000, theirs: 0)])
    #expect(result.ratio == 0 && !result.agrees)
  }
}
