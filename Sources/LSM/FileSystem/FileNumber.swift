/// The number of a log, table or manifest file; all three draw from one row.
///
/// Numbers only grow: a number under which a byte was ever written is not given out again, also after a
/// crash. So caches keyed by it are never stale, and bytes of an older file never pass as a newer one's.
package struct FileNumber: RawRepresentable, Hashable, Sendable {
  /// 0 means no file.
  package let rawValue: UInt64

  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Any number, also 0.
  package init(_ value: UInt64) { rawValue = value }

  /// Where the numbers end that a store can have given out when this is the next one that its manifest knows:
  /// manifests follow within far fewer. A name with such a number is not the store's: it is never counted on,
  /// read or removed.
  var beyondAllOwn: FileNumber {
    FileNumber(min(rawValue, Self.formatLimit) + Self.aheadOfManifest)
  }

  /// What formats can say at most.
  private static let formatLimit: UInt64 = 1 << 63 - 1
  private static let aheadOfManifest: UInt64 = 1 << 40
}

extension FileNumber: Comparable {
  package static func < (left: FileNumber, right: FileNumber) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension FileNumber: ExpressibleByIntegerLiteral {
  package init(integerLiteral value: UInt64) { rawValue = value }
}

extension FileNumber: CustomStringConvertible {
  package var description: String { String(rawValue) }
}
