export { openRedisAdmin, type RedisAdminOptions } from './redis-admin.ts'
