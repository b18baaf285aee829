/// How long connections are kept, in nanoseconds; `UInt64.max` is no limit.
package struct LifetimeLimits: Sendable {
  /// Silence of a client after which it is asked by a PING whether it is still there. Default 5 minutes.
  package var keepaliveTime: UInt64 = 300_000_000_000
  /// How long a client may take to answer that PING. Default 20 s.
  package var keepaliveTimeout: UInt64 = 20_000_000_000
  /// How long a connection is kept without calls. Default: no limit.
  package var maximumIdle = UInt64.max
  /// How old a connection may become, give or take a tenth. Default: no limit.
  package var maximumAge = UInt64.max
  /// How long calls may run on after their connection has become too old. Default: no limit.
  package var ageGrace = UInt64.max
  /// How long calls may run on after a drain began. Default 20 s.
  package var drainGrace: UInt64 = 20_000_000_000

  /// The defaults.
  package init() {}
}
