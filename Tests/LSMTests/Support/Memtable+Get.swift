import LSM

extension Memtable {
  /// The newest state of a key at a sequence number.
  func get(_ userKey: UnsafeRawBufferPointer, at sequence: SequenceNumber) -> Lookup {
    get(userKey, hash: BloomFilter.hash(userKey), at: sequence)
  }
}
