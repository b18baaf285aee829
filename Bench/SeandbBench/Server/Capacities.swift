/// What servers have reached in the closed loop of the first round, at the heaviest load: a rate beyond that
/// measures only the queue. The same in all rounds, so that no server is asked in its good rounds alone.
///
/// Confined to one thread.
final class Capacities {
  private struct Key: Hashable {
    let target: ServerTarget
    let workload: ServerWorkload
    let durability: ServerDurability
  }

  /// A rate is left out when it is more than this part of the capacity.
  private static let highestUtilization = 0.9

  /// Calls a second.
  private var reached: [Key: Double] = [:]
  private var allowed: [Key: [Int: Bool]] = [:]

  /// Loads come from the lightest to the heaviest: the last one of the first round counts.
  func note(
    _ callsPerSecond: Double, of target: ServerTarget, _ workload: ServerWorkload,
    _ durability: ServerDurability
  ) {
    let key = Key(target: target, workload: workload, durability: durability)
    if allowed[key] == nil { reached[key] = callsPerSecond }
  }

  /// Whether an open loop with that rate is worth it.
  func allow(
    _ rate: Int, of target: ServerTarget, _ workload: ServerWorkload,
    _ durability: ServerDurability
  ) -> Bool {
    let key = Key(target: target, workload: workload, durability: durability)
    if let known = allowed[key]?[rate] { return known }
    let isAllowed = Double(rate) <= reached[key, default: .infinity] * Self.highestUtilization
    allowed[key, default: [:]][rate] = isAllowed
    return isAllowed
  }
}
