import LSM

/// The bytes of a table's properties.
enum TablePropertiesTarget: FuzzTarget {
  static let name = "table-properties"
  static let maximumBytes = 512
  private static let numberCount: UInt32 = 11

  static func run(_ bytes: UnsafeRawBufferPointer) {
    guard let properties = try? TableProperties(decoding: bytes) else { return }
    let encoded = properties.encoded()
    let again = try? encoded.withUnsafeBytes { try TableProperties(decoding: $0) }
    require(again == properties, "properties can be written again")
    if Array(bytes).littleEndian(UInt32.self, at: 0) == numberCount {
      require(encoded == Array(bytes), "properties have one form")
    }
  }

  static func seeds() throws -> [[UInt8]] {
    var seeds = try TableSeeds.fixtures.map { $0.properties.encoded() }
    // Of a later program: one number more.
    var grown = TableProperties().encoded()
    grown.set(numberCount + 1, at: 0)
    grown.insert(contentsOf: [UInt8](repeating: 7, count: 8), at: 4 + Int(numberCount) * 8)
    seeds.append(grown)
    return seeds
  }
}
