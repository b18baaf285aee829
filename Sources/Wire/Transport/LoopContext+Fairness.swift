/// The largest holder pays: when somebody was refused who holds little, or a resource stays spent, the connections that
/// hold the most of it lose calls, those first that do not move.
///
/// It follows each look: what is refused to others is so for half a second, and a second when the largest holder is of
/// another loop.
extension LoopContext {
  /// Takes from the largest holders what others need.
  func makeRoom() {
    for resource in SharedResource.allCases { makeRoom(resource) }
  }

  private func makeRoom(_ resource: SharedResource) {
    var largest = 0
    forEachHandler { largest = max(largest, $0.connection?.held(resource) ?? 0) }
    let largestOfOthers = holders.exchange(resource, loop: index, largest)
    let need = self.need(of: resource)
    let wasSpent = spentResources.contains(resource)
    if need.isSpent { spentResources.insert(resource) } else { spentResources.remove(resource) }
    guard need.hasRefused || need.isSpent && wasSpent else { return }
    guard largest > 0, largest >= largestOfOthers else { return }
    didMakeRoom(resource)
    var candidates: [(held: Int, handler: ConnectionHandler)] = []
    forEachHandler { handler in
      guard let held = handler.connection?.held(resource), held > 0 else { return }
      candidates.append((held, handler))
    }
    candidates.sort { $0.held > $1.held }
    var wanted = need.wanted
    for (held, handler) in candidates where wanted > 0 && held >= largestOfOthers {
      wanted -= handler.shed(resource, wanted, mayEndMoving: need.hasRefused)
    }
  }

  private func need(
    of resource: SharedResource
  ) -> (isSpent: Bool, hasRefused: Bool, wanted: Int) {
    switch resource {
    case .requests: Self.need(of: budgets.requests)
    case .answers: Self.need(of: budgets.answers)
    // Nobody is held up by calls until one is refused.
    case .calls: (false, calls.limit.isShort, calls.limit.wanted)
    }
  }

  private static func need(
    of budget: MemoryBudget
  ) -> (isSpent: Bool, hasRefused: Bool, wanted: Int) {
    // An eighth is to become free.
    (budget.isSpent, budget.hasRefused, budget.usedBytes - (budget.limit - budget.limit / 8))
  }

  private func didMakeRoom(_ resource: SharedResource) {
    switch resource {
    case .requests: budgets.requests.didMakeRoom()
    case .answers: budgets.answers.didMakeRoom()
    case .calls: calls.limit.didMakeRoom()
    }
  }
}
