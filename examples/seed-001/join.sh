# Lines 57-65: a group is made by its first member. On the page orders has two partitions; here it is made with them.
curl -s -X POST http://localhost:8080/topics \
  -H "Content-Type: application/json" \
  -d '{"name": "orders", "num_partitions": 2}' > /dev/null

curl -s -X POST http://localhost:8080/groups/order-service/join \
  -H "Content-Type: application/json" \
  -d '{
    "member_id": "consumer-1",
    "topics": ["orders"],
    "session_timeout_ms": 30000
  }'
