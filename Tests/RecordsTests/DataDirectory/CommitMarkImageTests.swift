import Engine
import Records
import Testing

@Suite("Commit mark") struct CommitMarkImageTests {
  private static let bootID = (0..<16).map { UInt8($0) }
  private static let closed = CommitMarkImage(
    bootID: bootID, slot: .init(acknowledged: 7, durable: 5, manifest: .init(number: 4, bytes: 99)),
    files: [StoreFile(name: "CURRENT", bytes: 16), StoreFile(name: "000012.log", bytes: 0)])
  private static let open = CommitMarkImage(
    bootID: bootID, slot: .init(acknowledged: .max, durable: 0), files: nil)

  /// The example of docs/file-formats/data-directory.md.
  @Test func hasTheDocumentedBytes() {
    let text = Self.closed.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    #expect(
      text == "5345414e4442434d" + "01000000" + "01000000" + "000102030405060708090a0b0c0d0e0f"
        + "2900000000000000" + "b6d4107edd15b352"
        + "0700000000000000" + "0500000000000000" + "0400000000000000" + "6300000000000000"
        + "c0cc8008d57a2e04"
        + "07000000" + "43555252454e54" + "1000000000000000"
        + "0a000000" + "3030303031322e6c6f67" + "0000000000000000")
  }

  @Test(arguments: [closed, open]) func readsWhatItWrote(_ image: CommitMarkImage) throws {
    #expect(try CommitMarkImage(image.bytes) == image)
  }

  @Test(arguments: [closed, open]) func noticesEachBitAndEachCut(_ image: CommitMarkImage) {
    let bytes = image.bytes
    for index in bytes.indices {
      for bit in 0..<8 {
        var changed = bytes
        changed[index] ^= 1 << bit
        #expect(throws: CommitMarkImage.Damage.self) { try CommitMarkImage(changed) }
      }
      #expect(throws: CommitMarkImage.Damage.self) { try CommitMarkImage(Array(bytes[..<index])) }
    }
    #expect(throws: CommitMarkImage.Damage.self) { try CommitMarkImage(bytes + [0]) }
  }

  @Test func tellsANewerVersion() {
    var bytes = Self.closed.bytes
    bytes[8] = 2
    #expect(throws: CommitMarkImage.Damage.newerVersion(2)) { try CommitMarkImage(bytes) }
  }

  @Test func asksAfterAPowerCutOnlyForWhatWasSynced() {
    #expect(Self.closed.required(bootID: Self.bootID) == 7)
    #expect(Self.closed.required(bootID: Self.bootID.reversed()) == 5)
    // Nobody knows which boot it was.
    let unknown = [UInt8](repeating: 0, count: 16)
    var image = Self.closed
    image.bootID = unknown
    #expect(image.required(bootID: unknown) == 5)
  }

  @Test func namesEachDifferenceOfAClosedStore() {
    let then = [
      StoreFile(name: "a.log", bytes: 1), StoreFile(name: "b.log", bytes: 2),
      StoreFile(name: "c.log", bytes: 3),
    ]
    #expect(StoreFile.differences(then: then, now: then) == [])
    #expect(
      StoreFile.differences(
        then: then,
        now: [
          StoreFile(name: "b.log", bytes: 0), StoreFile(name: "c.log", bytes: 3),
          StoreFile(name: "d.log", bytes: 4),
        ]) == [
          "a.log is missing (it had 1 bytes)", "b.log has 0 bytes (it had 2)",
          "d.log was not there",
        ])
  }
}
