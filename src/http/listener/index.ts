/** The port that an API is served on, without the API: who only listens loads no routes. */

export { LazyApi } from './lazy-api.ts'
export { HttpListener, httpLimitDefaults, type HttpLimits } from './node-server.ts'
