/// A place in the entries of a sorted run, over its tables' borders.
///
/// Tables are entered only when their turn comes. Moves throw as those of ``TableIterator`` do.
///
/// Thread-safety: none; one owner at a time.
final class LevelIterator {
  private let files: [TableFile]
  private let tier: Table.ReadTier
  private var index: Int
  private var table: TableIterator?

  /// - Parameter files: sorted, without overlap; they live as long as this.
  init(_ files: [TableFile], _ tier: Table.ReadTier) {
    self.files = files
    self.tier = tier
    index = files.count
  }

  var isValid: Bool { table?.isValid ?? false }

  /// The iterator that is on the entry.
  /// - Precondition: ``isValid``.
  var current: TableIterator {
    guard let table else { preconditionFailure("is on no entry") }
    return table
  }

  /// The table it is in.
  /// - Precondition: ``isValid``.
  var file: TableFile { files[index] }

  private func enter(_ newIndex: Int) {
    if newIndex == index, table != nil { return }
    index = newIndex
    table =
      files.indices.contains(newIndex) ? files[newIndex].table.makeIterator(tier: tier) : nil
  }

  private func leave() {
    index = files.count
    table = nil
  }

  func seekToFirst() throws(LSMError) {
    enter(0)
    try table?.seekToFirst()
    try skipForwards()
  }

  func seekToLast() throws(LSMError) {
    enter(files.count - 1)
    try table?.seekToLast()
    try skipBackwards()
  }

  /// Goes to the first entry at or after `target`.
  func seek(_ target: InternalKey) throws(LSMError) {
    enter(firstIndex(atOrAfter: target))
    try table?.seek(target)
    try skipForwards()
  }

  /// Goes to the last entry before `target`.
  func seekBefore(_ target: InternalKey) throws(LSMError) {
    // Tables that begin before the target may hold entries before it.
    var low = 0
    var high = files.count
    while low < high {
      let middle = (low + high) / 2
      if files[middle].smallest < target { low = middle + 1 } else { high = middle }
    }
    enter(low - 1)
    try table?.seekBefore(target)
    try skipBackwards()
  }

  private func firstIndex(atOrAfter target: InternalKey) -> Int {
    var low = 0
    var high = files.count
    while low < high {
      let middle = (low + high) / 2
      if files[middle].largest < target { low = middle + 1 } else { high = middle }
    }
    return low
  }

  func next() throws(LSMError) {
    try current.next()
    if !current.isValid { try skipForwards() }
  }

  func previous() throws(LSMError) {
    try current.previous()
    if !current.isValid { try skipBackwards() }
  }

  private func skipForwards() throws(LSMError) {
    while let table, !table.isValid {
      if index + 1 >= files.count { return leave() }
      enter(index + 1)
      try self.table?.seekToFirst()
    }
  }

  private func skipBackwards() throws(LSMError) {
    while let table, !table.isValid {
      if index == 0 { return leave() }
      enter(index - 1)
      try self.table?.seekToLast()
    }
  }
}
