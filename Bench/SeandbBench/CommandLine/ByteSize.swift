import ArgumentParser

/// A flag's size in bytes: `1048576`, `1024K`, `1M`; the units are powers of 1024, as for `seandb serve`.
struct ByteSize: ExpressibleByArgument, Sendable {
  private static let units: KeyValuePairs<Character, Int> = [
    "G": 1 << 30, "M": 1 << 20, "K": 1 << 10,
  ]

  let bytes: Int

  init(bytes: Int) { self.bytes = bytes }

  init?(argument: String) {
    let unit = Self.units.first { $0.key == argument.uppercased().last }
    guard let amount = Int(unit == nil ? argument[...] : argument.dropLast()), amount >= 0
    else { return nil }
    let (bytes, overflow) = amount.multipliedReportingOverflow(by: unit?.value ?? 1)
    guard !overflow else { return nil }
    self.init(bytes: bytes)
  }

  var defaultValueDescription: String {
    for (name, size) in Self.units where bytes >= size && bytes % size == 0 {
      return "\(bytes / size)\(name)"
    }
    return String(bytes)
  }
}
