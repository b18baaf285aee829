import LSM
import LSMTestSupport
import Testing

@Suite("CURRENT") struct CurrentFileTests {
  private static let current = CurrentFile(
    store: StoreID(low: 0x8877_6655_4433_2211, high: 0x00ff_eedd_ccbb_aa99), manifest: 14)
  private static let directory = "/store"

  private static func read(_ bytes: [UInt8]) throws -> CurrentFile {
    let fileSystem = MemoryFileSystem()
    try fileSystem.createDirectory(directory)
    fileSystem.setBytes(of: directory + "/CURRENT", bytes)
    return try CurrentFile(fileSystem, directory: directory)
  }

  /// The example of docs/file-formats/lsm-manifest.md.
  @Test func isWrittenAsDocumented() throws {
    #expect(
      Self.current.text == """
        seandb lsm 1
        store 887766554433221100ffeeddccbbaa99
        manifest MANIFEST-000014
        checksum 775a75b084680e18

        """)
    #expect(try Self.read(Array(Self.current.text.utf8)) == Self.current)
  }

  @Test func refusesEveryFlippedByteAndEveryCut() {
    let bytes = Array(Self.current.text.utf8)
    for place in bytes.indices {
      for bit in 0..<8 {
        var damaged = bytes
        damaged[place] ^= 1 << UInt8(bit)
        #expect(throws: LSMError.self, "byte \(place)") { try Self.read(damaged) }
      }
      #expect(throws: LSMError.self) { try Self.read(Array(bytes[..<place])) }
    }
    #expect(throws: LSMError.self) { try Self.read(bytes + [10]) }
  }

  @Test func namesANewerFormat() {
    let lines = """
      seandb lsm 2
      store 887766554433221100ffeeddccbbaa99
      manifest MANIFEST-000014

      """
    let checksum = Array(lines.utf8).withUnsafeBytes { XXH64.hash($0) }
    let digits = String(checksum, radix: 16)
    let padded = String(repeating: "0", count: 16 - digits.count) + digits
    #expect(throws: LSMError.unsupportedFormat(path: "/store/CURRENT", version: 2)) {
      try Self.read(Array((lines + "checksum \(padded)\n").utf8))
    }
  }
}
