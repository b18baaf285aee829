import ArgumentParser

/// A time on the command line: a number with its unit, or `off`.
struct TimeSpan: FlagValue {
  /// `UInt64.max` is off.
  let nanoseconds: UInt64

  private static let units: [(name: Character, seconds: UInt64)] = [
    ("h", 3600), ("m", 60), ("s", 1),
  ]
  private static let off = "off"
  private static let nanosecondsASecond: UInt64 = 1_000_000_000
  private static let longestSeconds: UInt64 = 365 * 86_400

  init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  init(flag text: String) throws(FlagProblem) {
    if text == Self.off {
      nanoseconds = .max
      return
    }
    guard let unit = Self.units.first(where: { text.last == $0.name }),
      let count = UInt64(text.dropLast()), count <= Self.longestSeconds / unit.seconds,
      text.first?.isNumber == true
    else {
      throw FlagProblem(
        "takes a time with s, m or h, such as 20s or 5m; \(FlagProblem.notOne(text))")
    }
    nanoseconds = count * unit.seconds * Self.nanosecondsASecond
  }

  var flagText: String {
    guard nanoseconds != .max else { return Self.off }
    let seconds = nanoseconds / Self.nanosecondsASecond
    let unit = Self.units.first { seconds % $0.seconds == 0 } ?? ("s", 1)
    return "\(seconds / unit.seconds)\(unit.name)"
  }
}

extension Given<TimeSpan> {
  /// - Throws: for a time that is none, that is 0, or that must not be off.
  func check(_ flag: String, mayBeOff: Bool) throws {
    let span = try value(of: flag)
    if span.nanoseconds == 0 {
      throw ValidationError(
        "\(flag) takes a time of at least 1s; \"\(defaultValueDescription)\" is not one")
    }
    if span.nanoseconds == .max && !mayBeOff {
      throw ValidationError("\(flag) takes a time with s, m or h; it cannot be off")
    }
  }
}
