// SAFETY: each index is below the count of the bytes, which are lent until `parse` returns.

/// The `grpc-timeout` header: 1 to 8 digits and a unit (H, M, S, m, u, n).
package enum GRPCTimeout {
  /// The timeout in nanoseconds, clamped to `UInt64.max / 2`; nil when malformed.
  @safe
  package static func parse(_ value: UnsafeRawBufferPointer) -> UInt64? {
    guard value.count >= 2 && value.count <= 9 else { return nil }
    var amount: UInt64 = 0
    for index in 0..<(value.count - 1) {
      let digit = unsafe value[index] &- UInt8(ascii: "0")
      guard digit <= 9 else { return nil }
      amount = amount * 10 + UInt64(digit)
    }
    let unit: UInt64
    switch unsafe value[value.count - 1] {
    case UInt8(ascii: "H"): unit = 3_600_000_000_000
    case UInt8(ascii: "M"): unit = 60_000_000_000
    case UInt8(ascii: "S"): unit = 1_000_000_000
    case UInt8(ascii: "m"): unit = 1_000_000
    case UInt8(ascii: "u"): unit = 1_000
    case UInt8(ascii: "n"): unit = 1
    default: return nil
    }
    let (product, overflow) = amount.multipliedReportingOverflow(by: unit)
    return overflow ? .max / 2 : min(product, .max / 2)
  }
}
