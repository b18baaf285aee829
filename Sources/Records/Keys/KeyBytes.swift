import Glibc

// SAFETY: both are compared within their counts.

/// Keys as they order.
enum KeyBytes {
  /// Below 0 when `first` comes before `second`, 0 when they are the same, else above 0.
  @safe
  static func order(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Int {
    let common = min(first.count, second.count)
    guard common > 0, let left = first.baseAddress, let right = second.baseAddress else {
      return first.count - second.count
    }
    let order = unsafe memcmp(left, right, common)
    return order == 0 ? first.count - second.count : Int(order)
  }
}
