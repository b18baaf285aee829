import Testing
import seandb_bench

@Suite("YCSB mixes")
struct YCSBMixTests {
  /// As workloads/workload[a-f] of YCSB say.
  @Test(arguments: [
    (YCSBMix.a, [YCSBMix.Operation.read: 50, .update: 50]),
    (.b, [.read: 95, .update: 5]),
    (.c, [.read: 100]),
    (.d, [.read: 95, .insert: 5]),
    (.e, [.scan: 95, .insert: 5]),
    (.f, [.read: 50, .readModifyWrite: 50]),
  ])
  func drawsInItsProportions(mix: YCSBMix, percents: [YCSBMix.Operation: Double]) {
    var random = SplitMix64(seed: 8)
    var counts: [YCSBMix.Operation: Double] = [:]
    let draws = 200_000
    for _ in 0..<draws { counts[mix.operations[mix.kind(&random)], default: 0] += 1 }
    #expect(Set(counts.keys) == Set(percents.keys))
    for (operation, percent) in percents {
      let drawn = (counts[operation] ?? 0) * 100 / Double(draws)
      #expect(abs(drawn - percent) < 0.5, "\(operation): \(drawn) %, not \(percent)")
    }
  }

  @Test func onlyDPrefersTheLatest() {
    #expect(YCSBMix.d.prefersLatest)
    #expect(![YCSBMix.a, .b, .c, .e, .f].contains { $0.prefersLatest })
  }
}
