import Foundation
import Platform
import Testing

@Suite("JSON")
struct JSONValueTests {
  @Test func isReadBackByAnotherReader() throws {
    let value = JSONValue.object([
      "text": .string("a \"quoted\" \\ line\nwith \u{1} and ü"),
      "integer": .integer(-(1 << 53)), "number": .number(0.1), "large": .number(1e300),
      "flag": .bool(true), "nothing": .null,
      "list": .array([.integer(1), .array([]), .object([:])]),
    ])
    let read = try JSONSerialization.jsonObject(with: Data(value.text.utf8))
    let object = try #require(read as? [String: Any])
    #expect(object["text"] as? String == "a \"quoted\" \\ line\nwith \u{1} and ü")
    #expect(object["integer"] as? Int == -(1 << 53))
    #expect(object["number"] as? Double == 0.1)
    #expect(object["large"] as? Double == 1e300)
    #expect(object["flag"] as? Bool == true)
    #expect(object["nothing"] is NSNull)
    #expect((object["list"] as? [Any])?.count == 3)
  }

  @Test func writesSimpleMembersInOneLine() {
    #expect(JSONValue.object(["a": .integer(1), "b": .null]).text == #"{"a": 1, "b": null}"#)
    #expect(JSONValue.optional(UInt64.max).text == "18446744073709551615")
    #expect(JSONValue.array([.array([.integer(1)])]).text == "[\n  [1]\n]")
  }
}
