import Bytes
import Records
import Schema
import SwiftProtobuf
import TestSupport
import Testing

@Suite("Mask tree") struct MaskTreeTests {
  private static func project(
    _ fixture: StoreFixture, _ paths: [String], _ record: [UInt8]
  ) throws -> [UInt8] {
    let mask = paths.flatMap { WireBytes.field(1, $0) }
    return try mask.withUnsafeBytes { mask in
      guard
        let tree = try MaskTree.compile(
          [mask], message: fixture.store.model.messageIndex, plan: fixture.store.plan)
      else { return record }
      var writer = ByteWriter()
      try record.withUnsafeBytes { try tree.project($0, into: &writer) }
      return writer.array()
    }
  }

  private typealias W = WireBytes

  private static let owner =
    W.field(1, "Ann") + W.field(3, W.field(1, "Bo") + W.field(2, "7")) + W.field(4, "lane")
  private static let dog =
    W.field(2, "Rex") + W.field(1, "d1") + W.field(4, "x") + W.field(3, owner) + W.field(4, "y")
    + W.field(7, W.field(1, "k") + W.field(2, W.field(1, "S"))) + W.field(8, varint: 3)
    + W.field(99, "unknown") + W.group(98, W.field(1, "u"))

  static let cases: [([String], [UInt8])] = [
    (["name"], W.field(2, "Rex")), (["pk", "age"], W.field(1, "d1") + W.field(8, varint: 3)),
    (["tags"], W.field(4, "x") + W.field(4, "y")),
    (["owner.name"], W.field(3, W.field(1, "Ann"))),
    (["owner"], W.field(3, owner)), (["owner", "owner.name"], W.field(3, owner)),
    (["owner.name", "owner"], W.field(3, owner)),
    (["owner.partner.phone"], W.field(3, W.field(3, W.field(2, "7")))),
    // A parent stays when the leaf is absent; what is absent as a whole is not there.
    (["owner.phone"], W.field(3, "")), (["meat"], []), (["cook.name"], []),
    (["sitters"], W.field(7, W.field(1, "k") + W.field(2, W.field(1, "S")))),
    (["*"], dog), ([], dog), (["name", "*"], dog),
    (
      ["owner.post", "owner.partner.name", "name"],
      W.field(2, "Rex") + W.field(3, W.field(3, W.field(1, "Bo")) + W.field(4, "lane"))
    ),
  ]

  @Test("Copies what is named and nothing else", arguments: cases)
  func copies(_ paths: [String], _ expected: [UInt8]) async throws {
    let fixture = try await StoreFixture(.memory)
    #expect(try Self.project(fixture, paths, Self.dog) == expected)
  }

  static let oneofs: [([String], [UInt8], [UInt8])] = [
    // The last member of a oneof is the one that is set.
    (["meat"], W.field(5, "beef") + W.field(6, ""), []),
    (["meat"], W.field(6, "") + W.field(5, "beef"), W.field(5, "beef")),
    (["cook.name"], W.field(6, W.field(1, "C")) + W.field(5, "beef"), []),
    (
      ["cook.name"],
      W.field(6, W.field(1, "C")) + W.field(5, "beef") + W.field(6, W.field(2, "8")), W.field(6, "")
    ),
    // Also in another part of a message that was split.
    (["owner.post"], W.field(3, W.field(4, "p")) + W.field(3, W.field(5, "e")), W.field(3, "")),
    (
      ["owner.email", "owner.name"],
      W.field(3, W.field(4, "p") + W.field(1, "A")) + W.field(3, W.field(5, "e")),
      W.field(3, W.field(1, "A") + W.field(5, "e"))
    ),
  ]

  @Test("Knows which member of a oneof is set", arguments: oneofs)
  func knowsWhichMemberIsSet(
    _ paths: [String], _ record: [UInt8], _ expected: [UInt8]
  ) async throws {
    let fixture = try await StoreFixture(.memory)
    #expect(try Self.project(fixture, paths, record) == expected)
  }

  static let refused: [([String], String)] = [
    (["nme"], "database.Dog has no field \"nme\""), (["Name"], "has no field"),
    (["owner.nme"], "database.Dog.Owner has no field \"nme\""),
    (["owner", "owner.nme"], "no field"),
    (["name.x"], "goes on after name, which is no message"),
    (["tags.x"], "goes on after tags, which is repeated or a map"),
    (["sitters.k"], "goes on after sitters, which is repeated"), ([""], "has an empty part"),
    (["owner."], "has an empty part"), ([".name"], "has an empty part"),
    (["owner..name"], "has an empty part"), (["*.name"], "has no field \"*\""),
    (["owner.*"], "has no field \"*\""), (["food"], "has no field \"food\""),
    (["owner" + String(repeating: ".partner", count: 100)], "too long"),
    ([String(repeating: "n", count: 17000)], "too long"),
  ]

  @Test("Refuses paths that lead nowhere", arguments: refused)
  func refuses(_ paths: [String], _ words: String) async throws {
    let fixture = try await StoreFixture(.memory)
    let error = #expect(throws: QueryError.self) {
      try Self.project(fixture, paths, Self.dog)
    }
    guard case .badMask = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error.map { "\($0)".contains(words) } == true, "\(String(describing: error))")
  }

  @Test func neverTrapsOnAMutation() async throws {
    let fixture = try await StoreFixture(.memory)
    var generator = SeededGenerator.seeded("MaskTreeTests.neverTrapsOnAMutation")
    let masks = [["name", "owner.partner.phone", "tags"], ["owner.post", "meat", "cook.partner"]]
    for _ in 0..<20000 {
      var record = Self.dog + W.field(6, Self.owner) + W.field(5, "m")
      for _ in 0...generator.below(3) {
        let index = generator.below(record.count)
        switch generator.below(3) {
        case 0: record[index] = UInt8(truncatingIfNeeded: generator.next())
        case 1: record.insert(0x80, at: index)
        default: record.removeSubrange(index...)
        }
        if record.isEmpty { record = [0x0A] }
      }
      for mask in masks { _ = try? Self.project(fixture, mask, record) }
    }
  }
}
