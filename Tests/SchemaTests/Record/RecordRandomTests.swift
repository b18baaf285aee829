import Schema
import TestSupport
import Testing

@Suite("Random records")
struct RecordRandomTests {
  /// Writes valid records of `RecordSchema`, unknown fields included.
  struct RecordMaker {
    var generator: SeededGenerator

    mutating func record(depth: Int = 0, isModel: Bool = true) -> [UInt8] {
      var fields: [[UInt8]] = (0..<Int.random(in: 0...8, using: &generator)).map { _ in field(depth)
      }
      if isModel { fields.append(WireBytes.field(1, "k" + text())) }
      fields.shuffle(using: &generator)
      return fields.flatMap { $0 }
    }

    private mutating func text() -> String {
      String(
        (0..<Int.random(in: 0...20, using: &generator)).map { _ in
          ["a", "b", "é", "ж", "漢", "🐕", "\0", " "].randomElement(using: &generator) ?? "x"
        })
    }

    private mutating func bytes(_ count: Int) -> [UInt8] {
      (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    private mutating func number() -> UInt64 {
      UInt64.random(in: 0...UInt64.max, using: &generator)
        >> UInt64.random(in: 0...63, using: &generator)
    }

    private mutating func field(_ depth: Int) -> [UInt8] {
      switch Int.random(in: 0..<(depth < 6 ? 18 : 14), using: &generator) {
      case 0: return WireBytes.field(2, text())
      case 1: return WireBytes.field(3, varint: number())
      case 2: return WireBytes.field(4, bytes(Int.random(in: 0...30, using: &generator)))
      case 3: return WireBytes.tag(5, 1) + bytes(8)
      case 4: return WireBytes.tag(6, 5) + bytes(4)
      case 5:
        let count = Int.random(in: 0...5, using: &generator)
        return WireBytes.field(9, (0..<count).flatMap { _ in WireBytes.varint(number()) })
      case 6: return WireBytes.field(9, varint: number())
      case 7: return WireBytes.field(10, bytes(8 * Int.random(in: 0...4, using: &generator)))
      case 8: return WireBytes.field(11, bytes(4 * Int.random(in: 0...4, using: &generator)))
      case 9: return WireBytes.field(13, varint: 1)
      case 10: return WireBytes.field(14, text())
      case 11: return WireBytes.field(20000, text())
      case 12: return WireBytes.field(Int.random(in: 100...19999, using: &generator), bytes(5))
      case 13:
        return WireBytes.field(Int.random(in: 100...19999, using: &generator), varint: number())
      case 14: return WireBytes.field(7, record(depth: depth + 1, isModel: false))
      case 15:
        return WireBytes.field(
          8,
          WireBytes.field(1, text()) + WireBytes.field(2, record(depth: depth + 1, isModel: false)))
      case 16:
        return WireBytes.field(
          12, WireBytes.group(1, WireBytes.field(1, text())) + WireBytes.field(2, varint: 5))
      default: return WireBytes.group(77, record(depth: depth + 1, isModel: false))
      }
    }
  }

  @Test func acceptsEveryValidRecord() async throws {
    let (plan, model) = try await RecordSchema.plan()
    var maker = RecordMaker(generator: .seeded("acceptsEveryValidRecord"))
    for index in 0..<2000 {
      let record = maker.record()
      let error = RecordCheckTests.error(record, plan, model)
      #expect(error == nil, "record \(index): \(error.map(plan.describe) ?? "") \(record)")
    }
  }

  /// A trap here ends the test run: that is the point.
  @Test func neverTrapsOnAMutation() async throws {
    let (plan, model) = try await RecordSchema.plan()
    var maker = RecordMaker(generator: .seeded("neverTrapsOnAMutation"))
    var refused = 0
    for _ in 0..<10_000 {
      var record = maker.record()
      for _ in 0..<Int.random(in: 1...4, using: &maker.generator) where !record.isEmpty {
        let index = Int.random(in: 0..<record.count, using: &maker.generator)
        switch Int.random(in: 0..<4, using: &maker.generator) {
        case 0: record[index] = UInt8.random(in: 0...255, using: &maker.generator)
        case 1: record.remove(at: index)
        case 2:
          record.insert(
            [0x80, 0xFF, 0x7F, 0x0B, 0x0C].randomElement(using: &maker.generator) ?? 0, at: index)
        default: record.removeSubrange(index...)
        }
      }
      // In memory of exactly their size, so that a read past the end is one that tools can see.
      if let error = RecordCheckTests.error(Array(record), plan, model) {
        refused += 1
        #expect(!plan.describe(error).isEmpty)
      }
      record.withUnsafeBytes { bytes in
        var batch = RecordBatchReader(bytes)
        while (try? batch.next()) != nil {}
      }
    }
    #expect(refused > 3000)
  }

  @Test func refusesOrAcceptsEveryPrefixWithoutATrap() async throws {
    let (plan, model) = try await RecordSchema.plan()
    var maker = RecordMaker(generator: .seeded("refusesOrAcceptsEveryPrefixWithoutATrap"))
    for _ in 0..<20 {
      let record = maker.record()
      for length in 0...record.count {
        _ = RecordCheckTests.error(Array(record[..<length]), plan, model)
      }
    }
  }
}
