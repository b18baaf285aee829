/// What is kept of the changes of a model's records, for those that watch.
package struct WatchOption: Sendable, Equatable {
  static let minimumBytes: UInt64 = 64 << 10
  private static let standardBytes: UInt64 = 1 << 30
  private static let standardHours: UInt64 = 24
  private static let maximumHours: UInt64 = 24 * 366 * 10

  /// A change has the key of its record alone.
  package private(set) var isKeysOnly = false
  /// A change has the record as it was before, too.
  package private(set) var hasOld = false
  private var bytes: UInt64 = 0
  private var hours: UInt64 = 0

  /// Bytes of changes that are kept.
  package var keptBytes: UInt64 { bytes == 0 ? Self.standardBytes : bytes }
  /// Hours that they are kept.
  package var keptHours: UInt64 { hours == 0 ? Self.standardHours : hours }

  /// Reads a `seandb.Watch`, which adds to what another statement said.
  init(_ bytes: [UInt8], after other: WatchOption?) throws(ModelOptions.Failure) {
    if let other { self = other }
    for field in try ModelOptions.fields(of: bytes) {
      switch OptionsFile.WatchField(rawValue: UInt32(field.number)) {
      case .keysOnly: isKeysOnly = try field.flag()
      case .withOld: hasOld = try field.flag()
      case .keepBytes: self.bytes = try field.unsigned()
      case .keepHours: hours = try field.unsigned()
      case nil: throw .unknownWatchField(field.number)
      }
    }
  }

  /// What is wrong with it, as the end of a sentence whose subject it is; nil for nothing.
  var problem: String? {
    if isKeysOnly && hasOld {
      return "has keys_only and with_old: a change has records or has none; take one of them away"
    }
    if bytes != 0 && bytes < Self.minimumBytes {
      return
        "has keep_bytes \(bytes): keep at least \(Self.minimumBytes), or leave it out for 1 GiB"
    }
    if hours > Self.maximumHours {
      return "has keep_hours \(hours): keep at most \(Self.maximumHours), or leave it out for 24"
    }
    return nil
  }
}
