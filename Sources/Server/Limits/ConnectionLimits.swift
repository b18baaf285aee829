import Wire

/// How long connections are kept, in nanoseconds; `UInt64.max` is no limit.
package struct ConnectionLimits: Sendable {
  /// ``WireConfiguration/keepaliveTime``.
  package var keepaliveTime = WireConfiguration(loopCount: 1).keepaliveTime
  /// ``WireConfiguration/keepaliveTimeout``.
  package var keepaliveTimeout = WireConfiguration(loopCount: 1).keepaliveTimeout
  /// ``WireConfiguration/maximumConnectionIdle``.
  package var maximumIdle = WireConfiguration(loopCount: 1).maximumConnectionIdle
  /// ``WireConfiguration/maximumConnectionAge``.
  package var maximumAge = WireConfiguration(loopCount: 1).maximumConnectionAge
  /// ``WireConfiguration/maximumConnectionAgeGrace``.
  package var ageGrace = WireConfiguration(loopCount: 1).maximumConnectionAgeGrace
  /// ``WireConfiguration/drainGrace``.
  package var drainGrace = WireConfiguration(loopCount: 1).drainGrace

  /// The defaults.
  package init() {}

  func apply(to wire: inout WireConfiguration) {
    wire.keepaliveTime = keepaliveTime
    wire.keepaliveTimeout = keepaliveTimeout
    wire.maximumConnectionIdle = maximumIdle
    wire.maximumConnectionAge = maximumAge
    wire.maximumConnectionAgeGrace = ageGrace
    wire.drainGrace = drainGrace
  }
}
