import Bytes
import Records
import TestSupport
import Testing

@Suite("Ordered integers") struct OrderedIntegerTests {
  private static func encoded(_ value: Int64) -> [UInt8] {
    var writer = ByteWriter()
    OrderedInteger.append(value, to: &writer)
    return writer.array()
  }

  private static func encoded(unsigned value: UInt64) -> [UInt8] {
    var writer = ByteWriter()
    OrderedInteger.append(value, to: &writer)
    return writer.array()
  }

  /// The format on the disk: for ever.
  static let golden: [(Int64, String)] = [
    (0, "80"), (1, "81"), (111, "ef"), (112, "f070"), (255, "f0ff"), (256, "f10100"),
    (65_535, "f1ffff"), (65_536, "f2010000"), (Int64(Int32.max), "f37fffffff"),
    (Int64(UInt32.max), "f3ffffffff"), (.max, "f77fffffffffffffff"),
    (-1, "7f"), (-112, "10"), (-113, "0f8f"), (-256, "0f00"), (-257, "0efeff"),
    (Int64(Int32.min), "0c80000000"), (.min, "088000000000000000"),
  ]

  @Test(arguments: golden.indices) func hasTheseBytes(_ index: Int) {
    let (value, bytes) = Self.golden[index]
    #expect(Hexadecimal.text(Self.encoded(value)) == bytes, "\(value)")
    if value >= 0 { #expect(Self.encoded(unsigned: UInt64(value)) == Self.encoded(value)) }
  }

  @Test func hasTheseBytesForTheLargest() {
    #expect(Hexadecimal.text(Self.encoded(unsigned: .max)) == "f7ffffffffffffffff")
    #expect(Hexadecimal.text(Self.encoded(unsigned: 1 << 63)) == "f78000000000000000")
  }

  /// Numbers of all lengths.
  private static func random(_ generator: inout SeededGenerator) -> Int64 {
    Int64(bitPattern: generator.next()) >> Int64(generator.below(64))
  }

  @Test(arguments: SeededGenerator.seeds) func ordersAsNumbersDoAndReadsBack(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<20_000 {
      let (first, second) = (Self.random(&generator), Self.random(&generator))
      let (a, b) = (Self.encoded(first), Self.encoded(second))
      guard (first < second) == a.lexicographicallyPrecedes(b), (first == second) == (a == b) else {
        Issue.record("\(first) and \(second)")
        return
      }
      // No number begins with another one.
      guard first == second || !a.starts(with: b) else {
        Issue.record("\(first) begins with \(second)")
        return
      }
      var rest = (a + b)[...]
      guard OrderedInteger.read(&rest)?.text == "\(first)",
        OrderedInteger.read(&rest)?.text == "\(second)", rest.isEmpty
      else {
        Issue.record("\(first) and \(second) are not read back")
        return
      }
    }
  }

  @Test(arguments: [
    "", "00", "01", "07", "f8", "ff", "f0", "f06f", "f100ff", "f1", "f101", "0f", "0f90", "0eff00",
    "088000", "087fffffffffffffff", "f700ffffffffffffff",
  ]) func readsNoOtherForm(_ text: String) {
    let bytes = Hexadecimal.bytes(text)
    var rest = bytes[...]
    #expect(OrderedInteger.read(&rest) == nil)
    #expect(Array(rest) == bytes)
  }
}
