import LSM
import TestSupport

/// What holds of every block that was taken.
enum BlockPromises {
  private static let targetCount = 24
  private static let stepCount = 8

  static func check(_ block: Block, _ random: inout SeededGenerator) {
    var iterator = BlockIterator(block)
    let entries = entries(&iterator)
    require(entries.count == block.entryCount, "a block has as many entries as it says")
    for index in entries.indices.dropFirst() {
      require(entries[index - 1] < entries[index], "entries ascend strictly")
    }
    iterator.seekToLast()
    for entry in entries.reversed() {
      require(RawEntry(iterator) == entry, "backwards comes what came forwards")
      iterator.previous()
    }
    require(!iterator.isValid, "backwards comes no more than forwards")
    for _ in 0..<targetCount {
      let target = random.target(near: entries)
      target.withKey { check(block, entries, target, $0, &iterator, &random) }
    }
  }

  static func entries(_ iterator: inout BlockIterator) -> [RawEntry] {
    var entries: [RawEntry] = []
    iterator.seekToFirst()
    while let entry = RawEntry(iterator) {
      entries.append(entry)
      iterator.next()
    }
    return entries
  }

  private static func check(
    _ block: Block, _ entries: [RawEntry], _ target: RawEntry, _ key: InternalKey,
    _ iterator: inout BlockIterator, _ random: inout SeededGenerator
  ) {
    let index = entries.firstIndex { !($0 < target) } ?? entries.count
    let expected = entries.indices.contains(index) ? entries[index] : nil
    let found = block.find(key).map {
      RawEntry(key: target.key, trailer: $0.trailer, value: Array($0.value))
    }
    require(found == (expected?.key == target.key ? expected : nil), "find is a linear scan")
    iterator.seek(key)
    require(RawEntry(iterator) == expected, "seek is a linear scan")
    iterator.seekBefore(key)
    var place = index - 1
    require(
      RawEntry(iterator) == (place < 0 ? nil : entries[place]), "seekBefore is a linear scan")
    for _ in 0..<stepCount where iterator.isValid {
      if Bool.random(using: &random) {
        iterator.next()
        place += 1
      } else {
        iterator.previous()
        place -= 1
      }
      require(
        RawEntry(iterator) == (entries.indices.contains(place) ? entries[place] : nil),
        "next and previous are neighbours")
    }
  }
}
