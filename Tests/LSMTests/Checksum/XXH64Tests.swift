import LSM
import Testing

@Suite("XXH64") struct XXH64Tests {
  struct Vector: Sendable {
    let length: Int
    /// The hashes under the seeds 0, 1 and 0xdeadbeefcafebabe.
    let hashes: [UInt64]
  }

  private static let seeds: [UInt64] = [0, 1, 0xdead_beef_cafe_babe]

  /// Made by the Python package xxhash over bytes (i * 31 + 7) mod 256.
  private static let vectors: [Vector] = [
    Vector(
      length: 0, hashes: [0xef46_db37_51d8_e999, 0xd5af_ba13_36a3_be4b, 0x3ad5_0a3a_7764_4ff9]),
    Vector(
      length: 1, hashes: [0xa96c_7f0c_e858_bbb7, 0x0766_883a_0a47_a96a, 0x5a2b_887a_7130_0464]),
    Vector(
      length: 3, hashes: [0x56e6_9576_32a4_87f9, 0x598a_fe4f_bb09_d9f6, 0x2cfd_aa9e_4904_ab72]),
    Vector(
      length: 4, hashes: [0xc60d_15b1_e3ff_8f04, 0x5e9f_99aa_13de_2d02, 0x7ec2_aab7_5002_bec9]),
    Vector(
      length: 7, hashes: [0xafbe_fc3d_6c6f_9a8e, 0xbd99_f1fa_0de7_b9a4, 0x42b0_c191_986b_5246]),
    Vector(
      length: 8, hashes: [0x3da5_c7aa_2696_83e0, 0x1b4e_043a_4021_aa18, 0xf76a_445b_9290_e648]),
    Vector(
      length: 12, hashes: [0x8fe8_ab1c_1fd0_666e, 0xaaf1_9ec9_6e77_22cd, 0x3a37_ad58_f83f_0de2]),
    Vector(
      length: 31, hashes: [0x4a74_f3a1_a39a_d4a1, 0xd7ac_4f4b_ea4e_460a, 0x7670_99b8_240b_9106]),
    Vector(
      length: 32, hashes: [0x8d57_d6a4_671c_c43d, 0x8f66_6909_cfd0_0cc8, 0x0bd7_19ff_2b7a_1b17]),
    Vector(
      length: 33, hashes: [0x62c9_fd21_ed85_7664, 0xb157_5979_b72c_805a, 0xf43d_9fbe_a7dc_d7b8]),
    Vector(
      length: 63, hashes: [0x5c32_0a0d_2707_057f, 0x61b9_cb22_0da7_7a86, 0x24be_9504_b345_815e]),
    Vector(
      length: 100, hashes: [0xefa0_ad2d_3e70_c151, 0xcd81_03ae_cd2e_d5cf, 0xa654_0075_e016_96af]),
    Vector(
      length: 1000, hashes: [0x9959_4f48_2804_3d35, 0x31db_8080_bc8e_b541, 0xb6e5_74bd_021d_9cb7]),
  ]

  @Test(arguments: vectors)
  func agreesWithTheReference(vector: Vector) {
    let bytes = (0..<vector.length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }
    for (seed, expected) in zip(Self.seeds, vector.hashes) {
      #expect(bytes.withUnsafeBytes { XXH64.hash($0, seed: seed) } == expected)
    }
  }

  @Test(arguments: vectors)
  func readsUnalignedBytes(vector: Vector) {
    for shift in 0..<8 {
      let bytes = (-shift..<vector.length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }
      bytes.withUnsafeBytes {
        let part = UnsafeRawBufferPointer(rebasing: $0[shift...])
        #expect(XXH64.hash(part) == vector.hashes[0])
      }
    }
  }

  @Test func hashesAnEmptyBufferWithoutAnAddress() {
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    #expect(XXH64.hash(none) == 0xef46_db37_51d8_e999)
  }
}
