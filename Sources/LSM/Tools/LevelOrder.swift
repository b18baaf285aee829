/// What ``VersionBuilder`` demands of the levels, said of the manifest's tables, every violation by itself.
enum LevelOrder {
  static func findings(_ tables: [VersionEdit.Addition]) -> [Finding] {
    var findings: [Finding] = []
    for level in 0..<Version.levelCount {
      let files = tables.filter { $0.level == level }.map(\.table)
      if level == 0 {
        checkTime(files.sorted { $0.epoch > $1.epoch }, &findings)
      } else {
        checkKeys(
          files.sorted { left, right in
            withKeys(left.smallest, right.smallest) { $0 < $1 } ?? false
          }, level, &findings)
      }
    }
    return findings
  }

  private static func checkTime(_ files: [TableMetadata], _ findings: inout [Finding]) {
    for (newer, older) in zip(files, files.dropFirst())
    where newer.epoch <= older.epoch || newer.smallestSequence <= older.largestSequence {
      findings.append(
        Finding(
          .table(newer.number),
          "it overlaps in time with \(FileName.table(older.number)), and both are in level 0"))
    }
  }

  private static func checkKeys(
    _ files: [TableMetadata], _ level: Int, _ findings: inout [Finding]
  ) {
    for (left, right) in zip(files, files.dropFirst()) {
      let isApart = withKeys(left.largest, right.smallest) { largest, smallest in
        let order = KeyOrder.compare(largest.userKey, smallest.userKey)
        return order < 0 || (order == 0 && largest.trailer == .max)
      }
      if isApart != true {
        findings.append(
          Finding(
            .table(left.number),
            "its keys overlap those of \(FileName.table(right.number)), and both are in level \(level)"
          ))
      }
    }
  }

  private static func withKeys(
    _ left: [UInt8], _ right: [UInt8], _ body: (InternalKey, InternalKey) -> Bool
  ) -> Bool? {
    InternalKey.withKey(encoded: left) { left in
      InternalKey.withKey(encoded: right) { body(left, $0) }
    } ?? nil
  }
}
