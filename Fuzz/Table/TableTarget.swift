import LSM
import TestSupport

/// The bytes of a table file: as they are, and once more with right checksums.
enum TableTarget: FuzzTarget {
  static let name = "table"
  static let maximumBytes = 4096

  static func run(_ bytes: UnsafeRawBufferPointer) {
    var random = SeededGenerator(of: bytes)
    let table = Array(bytes)
    if TablePromises.check(table, &random) { return }
    guard let sealed = TableSealing.sealed(table), sealed != table else { return }
    TablePromises.check(sealed, &random)
  }

  static func seeds() throws -> [[UInt8]] {
    try TableSeeds.fixtures.map(\.bytes).filter { $0.count <= maximumBytes }
  }
}
