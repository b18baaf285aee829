import Bytes
import Engine

// SAFETY: what the engine or the batch lends is read before its visit ends; keys are lent until the return.

/// Records that have ended and are still stored.
extension WriteExecutor {
  /// Deletes a record with its entries if it has ended: what it holds of a unique index is free.
  ///
  /// - Parameter key: without its prefix.
  /// - Returns: whether it had.
  mutating func deleteIfEnded(
    _ key: [UInt8], of store: ModelStore, _ batch: WriteBatch, _ tier: ReadTier
  ) throws(Stop) -> Bool {
    guard let expiry = store.expiry, let indexes = store.indexes else { return false }
    var ended: [UInt8]?
    var stop: Stop?
    let stored = store.prefix.key(key)
    unsafe stored.withUnsafeBytes { bytes in
      do throws(Stop) {
        _ = try read(bytes, batch, tier) { (_, record) throws(Stop) in
          if expiry.hasPassed(record) { ended = unsafe Array(record) }
        }
      } catch {
        stop = error
      }
    }
    if let stop { throw stop }
    guard let ended else { return false }
    var entries = EntryList()
    do throws(IndexEntryError) {
      try Self.append(ended, key: key, indexes, &slots, to: &entries)
    } catch {
      throw .refused(.unreadableRecord(store: store, key: key, error))
    }
    unsafe key.withUnsafeBytes { key in
      for entry in entries.entries where indexes.all[entry.index].keepsEntries(ofKey: key) {
        batch.delete(entries.key(entry))
        overlay.note(entries.key(entry), .deleted)
      }
    }
    batch.delete(stored)
    unsafe ended.withUnsafeBytes { record in
      unsafe key.withUnsafeBytes { key in
        unsafe changes.append(
          .expired, key, old: record, record: UnsafeRawBufferPointer(start: nil, count: 0),
          of: store, to: batch)
      }
    }
    unsafe stored.withUnsafeBytes { overlay.note($0, .deleted) }
    return true
  }

  private static func append(
    _ record: [UInt8], key: [UInt8], _ indexes: ModelIndexes, _ slots: inout RecordSlots,
    to entries: inout EntryList
  ) throws(IndexEntryError) {
    var failure: IndexEntryError?
    unsafe record.withUnsafeBytes { record in
      unsafe key.withUnsafeBytes { key in
        do throws(IndexEntryError) {
          try indexes.append(record, key: key, &slots, to: &entries)
        } catch {
          failure = error
        }
      }
    }
    if let failure { throw failure }
  }
}
