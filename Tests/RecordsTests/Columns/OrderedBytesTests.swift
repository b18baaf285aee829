import Bytes
import Records
import TestSupport
import Testing

@Suite("Ordered bytes") struct OrderedBytesTests {
  private static func encoded(_ bytes: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    bytes.withUnsafeBytes { OrderedBytes.append($0, to: &writer) }
    return writer.array()
  }

  /// The format on the disk: for ever.
  @Test(arguments: [
    ("", "0001"), ("61", "610001"), ("00", "00ff0001"), ("0000", "00ff00ff0001"),
    ("610062", "6100ff620001"), ("ff", "ff0001"), ("00ff", "00ffff0001"), ("0001", "00ff010001"),
  ]) func hasTheseBytes(_ value: String, _ bytes: String) {
    #expect(Hexadecimal.text(Self.encoded(Hexadecimal.bytes(value))) == bytes)
  }

  @Test(arguments: SeededGenerator.seeds) func ordersAsStringsDoAndReadsBack(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    // Of few different bytes, the ones that mean something among them.
    let letters: [UInt8] = [0x00, 0x01, 0x02, 0x61, 0xfe, 0xff]
    func string() -> [UInt8] {
      (0..<generator.below(6)).map { _ in letters[generator.below(letters.count)] }
    }
    for _ in 0..<20_000 {
      let (first, second) = (string(), string())
      let (a, b) = (Self.encoded(first), Self.encoded(second))
      let isRight =
        first.lexicographicallyPrecedes(second) == a.lexicographicallyPrecedes(b)
        && (first == second || !a.starts(with: b))
      var rest = (a + b)[...]
      guard isRight, OrderedBytes.read(&rest) == first, OrderedBytes.read(&rest) == second,
        rest.isEmpty
      else {
        Issue.record("\(first) and \(second)")
        return
      }
    }
  }

  @Test(arguments: ["", "61", "6100", "6100ff", "610002", "0000"])
  func readsNoStringWithoutItsEnd(_ text: String) {
    var rest = Hexadecimal.bytes(text)[...]
    #expect(OrderedBytes.read(&rest) == nil)
  }
}
