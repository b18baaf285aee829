/// How large each level should be, derived from the largest one upwards ("dynamic" leveling, as in S. Dong
/// et al., "Optimizing Space Amplification in RocksDB", CIDR 2017): the last level holds about nine
/// tenths of the data, so overwritten data take at most about a tenth of the space.
struct LevelTargets {
  /// The level that level 0 is merged into.
  let baseLevel: Int
  /// Bytes; 0 for levels above the base, which should be empty.
  let bytes: [UInt64]

  init(_ version: Version, baseLevelBytes: UInt64, multiplier: UInt64) {
    var bytes = [UInt64](repeating: 0, count: Version.levelCount)
    let largest = (1...Version.lastLevel).map { version.bytes(at: $0) }.max() ?? 0
    var level = Version.lastLevel
    var target = max(largest, baseLevelBytes)
    bytes[level] = target
    while level > 1, target > baseLevelBytes {
      level -= 1
      target = max(target / multiplier, 1)
      bytes[level] = target
    }
    // Nothing may be put below a level that still holds tables.
    let first = (1...Version.lastLevel).first { !version.runs[$0].isEmpty }
    baseLevel = min(level, first ?? level)
    self.bytes = bytes
  }

  /// How urgently a level has to be made smaller; at 1 and above it is time.
  func score(_ version: Version, _ level: Int) -> Double {
    let size = version.bytes(at: level)
    if size == 0 || level == Version.lastLevel { return 0 }
    return bytes[level] == 0 ? .infinity : Double(size) / Double(bytes[level])
  }
}
