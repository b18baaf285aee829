/// Fields that a call's answer carries beside its messages (grpc/grpc:doc/PROTOCOL-HTTP2.md, "Custom-Metadata").
///
/// What was added last comes last; fields of one name are all sent, in their order.
package struct ResponseMetadata: Sendable, Equatable {
  /// One field, as it goes over the wire.
  struct Field: Sendable, Equatable {
    let name: [UInt8]
    let value: [UInt8]

    /// RFC 9113 §6.5.2.
    var listBytes: Int { name.count + value.count + 32 }
  }

  /// Go out before the first message.
  private(set) var header: [Field] = []
  /// Go out with the status.
  private(set) var trailer: [Field] = []

  /// Names, values and 32 bytes a field, of header and trailer each: clients take some 8 KiB, and the status needs
  /// its part.
  package static let maximumBytes = 2048

  /// Where a field goes.
  package enum Place: Sendable {
    case header
    case trailer
  }

  package init() {}

  /// Adds text.
  ///
  /// - Parameters:
  ///   - name: of lower-case letters, digits, `_`, `-` and `.`; gRPC keeps what begins with `grpc-`.
  ///   - text: of printable ASCII.
  /// - Returns: false when gRPC does not allow the field, or there is no room for it; it is left out then.
  @discardableResult
  package mutating func add(_ name: String, _ text: String, to place: Place) -> Bool {
    guard !name.hasSuffix("-bin"), text.utf8.allSatisfy({ $0 >= 0x20 && $0 <= 0x7e }) else {
      return false
    }
    return add(Field(name: Array(name.utf8), value: Array(text.utf8)), to: place)
  }

  /// Adds bytes, which go out in base64.
  ///
  /// - Parameter name: as for text; it ends with `-bin`.
  /// - Returns: as for text.
  @discardableResult
  package mutating func add(_ name: String, _ bytes: [UInt8], to place: Place) -> Bool {
    guard name.hasSuffix("-bin") else { return false }
    return add(Field(name: Array(name.utf8), value: HeaderEncoding.base64(bytes)), to: place)
  }

  private mutating func add(_ field: Field, to place: Place) -> Bool {
    guard Self.isAllowed(field.name) else { return false }
    let others = place == .header ? header : trailer
    guard others.reduce(field.listBytes, { $0 + $1.listBytes }) <= Self.maximumBytes else {
      return false
    }
    switch place {
    case .header: header.append(field)
    case .trailer: trailer.append(field)
    }
    return true
  }

  /// Adds another one's fields after those that are there, as far as there is room.
  mutating func add(_ other: ResponseMetadata) {
    for field in other.header { _ = add(field, to: .header) }
    for field in other.trailer { _ = add(field, to: .trailer) }
  }

  private static func isAllowed(_ name: [UInt8]) -> Bool {
    let isWord = name.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
        true
      default: false
      }
    }
    return isWord && !name.isEmpty && !name.starts(with: "grpc-".utf8) && !reserved.contains(name)
  }

  /// HTTP/2's own, and what a connection of HTTP/1 would have (RFC 9113 §8.2.2).
  private static let reserved = Set(
    [
      "content-type", "te", "connection", "transfer-encoding", "keep-alive", "upgrade",
      "proxy-connection", "host", "content-length",
    ].map { Array($0.utf8) })
}
