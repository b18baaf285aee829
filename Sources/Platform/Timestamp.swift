import Glibc

// SAFETY: the system writes the time into a variable of our own, within the call.

/// A moment in whole seconds since 1970, in UTC.
///
/// Thread-safety: a value.
package struct Timestamp: Equatable, Comparable, Sendable {
  /// Without leap seconds, as Unix counts.
  package let seconds: Int64

  /// - Parameter seconds: since 1970-01-01T00:00:00Z.
  package init(seconds: Int64) { self.seconds = seconds }

  package static func < (first: Timestamp, second: Timestamp) -> Bool {
    first.seconds < second.seconds
  }

  /// The time, some milliseconds old at most: it costs a few instructions.
  package static func coarse() -> Timestamp {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME_COARSE, &time)
    return Timestamp(seconds: Int64(time.tv_sec))
  }

  // MARK: - Text (RFC 3339)

  /// `2027-01-01T00:00:00Z`, also with an offset such as `+01:00`, a space in place of the T, and a fraction, which is
  /// dropped. Nil for anything else, and for what has no offset: it would be another moment on each machine.
  package init?(_ text: String) {
    let bytes = Array(text.utf8)
    func number(_ start: Int, _ count: Int) -> Int64? {
      guard start + count <= bytes.count else { return nil }
      var value: Int64 = 0
      for byte in bytes[start..<start + count] {
        guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
        value = value * 10 + Int64(byte - UInt8(ascii: "0"))
      }
      return value
    }
    func isOne(of letters: StaticString, _ place: Int) -> Bool {
      place < bytes.count && letters.description.utf8.contains(bytes[place])
    }
    guard let year = number(0, 4), isOne(of: "-", 4), let month = number(5, 2), isOne(of: "-", 7),
      let day = number(8, 2), isOne(of: "Tt ", 10), let hour = number(11, 2), isOne(of: ":", 13),
      let minute = number(14, 2), isOne(of: ":", 16), let second = number(17, 2),
      (1...12).contains(month), day >= 1, day <= Self.days(inMonth: month, of: year), hour < 24,
      minute < 60, second < 60
    else { return nil }
    var end = 19
    if isOne(of: ".", end) {
      end += 1
      let digits = bytes[end...].prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
      guard !digits.isEmpty else { return nil }
      end += digits.count
    }
    var offset: Int64 = 0
    if isOne(of: "Zz", end) {
      end += 1
    } else {
      guard isOne(of: "+-", end), let hours = number(end + 1, 2), isOne(of: ":", end + 3),
        let minutes = number(end + 4, 2), hours < 24, minutes < 60
      else { return nil }
      offset = (hours * 60 + minutes) * 60 * (bytes[end] == UInt8(ascii: "-") ? -1 : 1)
      end += 6
    }
    guard end == bytes.count else { return nil }
    seconds =
      Self.daysSince1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
  }

  /// `2027-01-01T00:00:00Z`.
  package var text: String {
    let days = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400
    let (year, month, day) = Self.date(days)
    let time = seconds - days * 86400
    func two(_ value: Int64) -> String { (value < 10 ? "0" : "") + String(value) }
    let years = String(repeating: "0", count: max(0, 4 - String(year).utf8.count)) + String(year)
    return "\(years)-\(two(month))-\(two(day))T\(two(time / 3600)):\(two(time / 60 % 60)):"
      + "\(two(time % 60))Z"
  }

  // MARK: - Calendar

  private static func days(inMonth month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  // Both count years from March on, so that the leap day is the last of its year; an era is 400 years.

  private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let part = (5 * dayOfYear + 2) / 153
    let month = part < 10 ? part + 3 : part - 9
    return (
      yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * part + 2) / 5 + 1
    )
  }
}
