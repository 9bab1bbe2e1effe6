/**
 * The operations that a broker serves. An area has a file of its own and its table is spread in here; `broker/http/handlers.ts`
 * does not compile until each has a handler.
 */

import { deliveryRoutes } from './routes-delivery.ts'
import { historyRoutes } from './routes-history.ts'
import { groupRoutes } from './routes-groups.ts'
import { memberRoutes } from './routes-members.ts'
import { messageRoutes } from './routes-messages.ts'
import { offsetRoutes } from './routes-offsets.ts'
import { pauseRoutes } from './routes-pause.ts'
import { opsRoutes } from './routes-ops.ts'
import { resetRoutes } from './routes-reset.ts'
import { topicRoutes } from './routes-topics.ts'

export const brokerRoutes = {
  ...memberRoutes,
  ...groupRoutes,
  ...historyRoutes,
  ...pauseRoutes,
  ...offsetRoutes,
  ...resetRoutes,
  ...deliveryRoutes,
  ...messageRoutes,
  ...topicRoutes,
  ...opsRoutes,
}

export type BrokerRoutes = typeof brokerRoutes
