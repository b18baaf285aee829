/// A place in a table that moves in both directions.
///
/// Every move may throw: ``LSMError/corruption(_:)`` or an I/O error of the block it goes to, or
/// ``LSMError/wouldBlock`` where the tier may not look. After that it is on no entry; seek
/// again. The end is only ever said when it is the end.
///
/// Thread-safety: none; one owner at a time.
// SAFETY: `loaded` is only compared, never read: it is where the index entry of the loaded block lies, and the index
// stays in place as long as the table.
@safe
package final class TableIterator {
  private let table: Table
  private let tier: Table.ReadTier
  private var index: BlockIterator
  private var data: BlockIterator
  /// Holds the block that `data` is in.
  private var pin: BlockPin?
  /// The index entry's value of the block in `pin`; it points into the table's index.
  private var loaded: UnsafeRawPointer?
  private var readAhead = ReadAhead()

  init(_ table: Table, _ tier: Table.ReadTier) {
    self.table = table
    self.tier = tier
    index = BlockIterator(table.index)
    data = BlockIterator(.empty)
  }

  deinit {
    // Before the table goes, and with it, it may be, the cache that the pin counts in.
    pin = nil
  }

  /// Whether it is on an entry.
  package var isValid: Bool { data.isValid }

  /// The key of the entry, valid until the next move.
  /// - Precondition: ``isValid``.
  package var key: InternalKey { data.key }

  /// The value of the entry, valid until the next move.
  /// - Precondition: ``isValid``.
  @safe package var value: UnsafeRawBufferPointer { data.value }

  /// Goes to the first entry of the table.
  package func seekToFirst() throws(LSMError) {
    index.seekToFirst()
    try load()
    data.seekToFirst()
  }

  /// Goes to the last entry of the table.
  package func seekToLast() throws(LSMError) {
    index.seekToLast()
    try load()
    data.seekToLast()
  }

  /// Goes to the first entry at or after `target`.
  package func seek(_ target: InternalKey) throws(LSMError) {
    index.seek(target)
    try load()
    data.seek(target)
    // The target may be between the last key of the block and its separator.
    if !data.isValid, index.isValid { try enterNextBlock() }
  }

  /// Goes to the last entry before `target`.
  package func seekBefore(_ target: InternalKey) throws(LSMError) {
    index.seek(target)
    guard index.isValid else { return try seekToLast() }
    try load()
    data.seekBefore(target)
    if !data.isValid { try enterPreviousBlock() }
  }

  /// - Precondition: ``isValid``.
  package func next() throws(LSMError) {
    data.next()
    if !data.isValid { try enterNextBlock() }
  }

  /// - Precondition: ``isValid``.
  package func previous() throws(LSMError) {
    data.previous()
    if !data.isValid { try enterPreviousBlock() }
  }

  private func enterNextBlock() throws(LSMError) {
    index.next()
    try load()
    data.seekToFirst()
  }

  private func enterPreviousBlock() throws(LSMError) {
    index.previous()
    try load()
    data.seekToLast()
  }

  /// Goes over to the block of the index entry; `data` is on no entry of it. Without an index
  /// entry, to no block.
  private func load() throws(LSMError) {
    guard index.isValid else {
      unload()
      return
    }
    let handle = index.value
    if unsafe loaded == handle.baseAddress { return }
    // An error must not leave it in the block before.
    unload()
    let pin = try table.dataBlock(handle, tier, &readAhead)
    data.reset(pin.block)
    self.pin = consume pin
    unsafe loaded = handle.baseAddress
  }

  private func unload() {
    data.reset(.empty)
    pin = nil
    unsafe loaded = nil
  }
}
