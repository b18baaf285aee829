import ArgumentParser
import Wire

/// The flags that say how long connections are kept, and how a server lets go of them.
struct ConnectionOptions: ParsableArguments {
  private static let defaults = LifetimeLimits()

  @Option(
    parsing: .unconditional,
    help:
      "Silence after which a client is asked whether it is still there: a number with s, m or h; off."
  )
  private var keepaliveTime = Given(TimeSpan(nanoseconds: defaults.keepaliveTime))

  @Option(parsing: .unconditional, help: "How long it may take to answer.")
  private var keepaliveTimeout = Given(TimeSpan(nanoseconds: defaults.keepaliveTimeout))

  @Option(parsing: .unconditional, help: "How long a connection is kept without calls; off.")
  private var maxConnectionIdle = Given(TimeSpan(nanoseconds: defaults.maximumIdle))

  @Option(
    parsing: .unconditional,
    help:
      "How old a connection may become, give or take a tenth, before its client gets a GOAWAY; off."
  )
  private var maxConnectionAge = Given(TimeSpan(nanoseconds: defaults.maximumAge))

  @Option(
    parsing: .unconditional, help: "How long its calls may run on after that; off: to their end.")
  private var maxConnectionAgeGrace = Given(TimeSpan(nanoseconds: defaults.ageGrace))

  @Option(parsing: .unconditional, help: "How long calls may run on after SIGTERM.")
  private var drainGrace = Given(TimeSpan(nanoseconds: defaults.drainGrace))

  /// - Throws: for a time that is none, or is out of the bounds.
  func check() throws {
    try keepaliveTime.check("--keepalive-time", mayBeOff: true)
    try keepaliveTimeout.check("--keepalive-timeout", mayBeOff: false)
    try maxConnectionIdle.check("--max-connection-idle", mayBeOff: true)
    try maxConnectionAge.check("--max-connection-age", mayBeOff: true)
    try maxConnectionAgeGrace.check("--max-connection-age-grace", mayBeOff: true)
    try drainGrace.check("--drain-grace", mayBeOff: false)
  }

  /// Once they are checked.
  var limits: LifetimeLimits {
    var limits = LifetimeLimits()
    limits.keepaliveTime = keepaliveTime.value.nanoseconds
    limits.keepaliveTimeout = keepaliveTimeout.value.nanoseconds
    limits.maximumIdle = maxConnectionIdle.value.nanoseconds
    limits.maximumAge = maxConnectionAge.value.nanoseconds
    limits.ageGrace = maxConnectionAgeGrace.value.nanoseconds
    limits.drainGrace = drainGrace.value.nanoseconds
    return limits
  }
}
