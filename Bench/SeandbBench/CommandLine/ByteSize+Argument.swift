import ArgumentParser
import Platform

/// A flag's size in bytes, as for `seandb serve`.
extension ByteSize: ExpressibleByArgument {
  public init?(argument: String) {
    guard let size = ByteSize(argument), (0..<Int.max).contains(size.bytes) else { return nil }
    self = size
  }

  public var defaultValueDescription: String { description }
}
