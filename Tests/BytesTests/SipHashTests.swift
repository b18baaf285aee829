import Bytes
import Testing

@Suite("SipHash")
struct SipHashTests {
  /// Of the bytes 00 01 02 … of each length, under the key 00 01 … 0f: from the reference implementation's vectors.
  static let vectors: [(Int, UInt64)] = [
    (0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd), (2, 0x0d6c_8009_d9a9_4f5a),
    (3, 0x8567_6696_d7fb_7e2d), (4, 0xcf27_94e0_2771_87b7), (5, 0x1876_5564_cd99_a68d),
    (6, 0xcbc9_466e_58fe_e3ce), (7, 0xab02_00f5_8b01_d137), (8, 0x93f5_f579_9a93_2462),
    (9, 0x9e00_82df_0ba9_e4b0), (15, 0xa129_ca61_49be_45e5), (16, 0x3f2a_cc7f_57c2_9bdb),
    (63, 0x958a_324c_eb06_4572),
  ]

  @Test("Gives the reference implementation's hashes", arguments: vectors)
  func givesReferenceHash(_ count: Int, _ expected: UInt64) {
    let hash = SipHash(key: (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908))
    let bytes = (0..<count).map { UInt8($0) }
    #expect(bytes.withUnsafeBytes { hash.hash($0) } == expected)
  }

  @Test("Another key gives another hash")
  func dependsOnKey() {
    let bytes = Array("dog/1".utf8)
    let hashes = [(1, 0), (0, 1), (0, 0)].map { key in
      bytes.withUnsafeBytes { SipHash(key: key).hash($0) }
    }
    #expect(Set(hashes).count == 3)
  }
}
