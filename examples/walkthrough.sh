#!/usr/bin/env bash
# The same life cycle from a shell, with the AWS CLI and nothing but the environment:
#
#     eval "$(outcrop env)"
#     bash examples/walkthrough.sh
set -euo pipefail
export AWS_PAGER=
name="shell-$RANDOM$RANDOM"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

aws sts get-caller-identity --query Account --output text
aws bedrock list-foundation-models --by-customization-type FINE_TUNING --query 'modelSummaries[].modelId' --output text

cat > "$folder/trust.json" <<'JSON'
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
JSON
cat > "$folder/access.json" <<JSON
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::$name", "arn:aws:s3:::$name/*"]}]}
JSON
aws s3 mb "s3://$name"
role=$(aws iam create-role --role-name "$name" --assume-role-policy-document "file://$folder/trust.json" --query Role.Arn --output text)
aws iam put-role-policy --role-name "$name" --policy-name data --policy-document "file://$folder/access.json"
for i in $(seq 1 40); do
  echo '{"schemaVersion": "bedrock-conversation-2024", "messages": [{"role": "user", "content": [{"text": "Where does the heron sleep?"}]}, {"role": "assistant", "content": [{"text": "In the reeds."}]}]}'
done > "$folder/train.jsonl"
aws s3 cp "$folder/train.jsonl" "s3://$name/train.jsonl" --no-progress
aws s3 ls "s3://$name/"

aws bedrock create-model-customization-job --job-name "$name" --custom-model-name "$name" --role-arn "$role" \
  --base-model-identifier amazon.nova-lite-v1:0:300k --hyper-parameters epochCount=2,learningRate=5e-5 \
  --training-data-config "s3Uri=s3://$name/train.jsonl" --output-data-config "s3Uri=s3://$name/output/" \
  --job-tags key=from,value=shell
while [ "$(aws bedrock get-model-customization-job --job-identifier "$name" --query status --output text)" = InProgress ]; do sleep 1; done
aws bedrock get-model-customization-job --job-identifier "$name" --query '[status,trainingMetrics.trainingLoss]' --output text | tee "$folder/end"
grep -q Completed "$folder/end"
aws bedrock get-custom-model --model-identifier "$name" --query modelArn --output text
job=$(aws bedrock get-model-customization-job --job-identifier "$name" --query jobArn --output text)
aws s3 cp "s3://$name/output/model-customization-job-${job: -12}/training_artifacts/step_wise_training_metrics.csv" "$folder/" --no-progress
head -3 "$folder/step_wise_training_metrics.csv"

aws bedrock create-provisioned-model-throughput --model-units 1 --provisioned-model-name "$name" --model-id "$name"
while [ "$(aws bedrock get-provisioned-model-throughput --provisioned-model-id "$name" --query status --output text)" = Creating ]; do sleep 1; done
arn=$(aws bedrock get-provisioned-model-throughput --provisioned-model-id "$name" --query provisionedModelArn --output text)
aws bedrock-runtime converse --model-id "$arn" --inference-config maxTokens=12,temperature=0 \
  --messages '[{"role": "user", "content": [{"text": "Where does the heron sleep?"}]}]' --query 'output.message.content[0].text' --output text
# fileb:// is read as it is by both versions of the AWS CLI, which disagree on how a body in the command line is written.
echo '{"messages": [{"role": "user", "content": [{"text": "Where does the heron sleep?"}]}], "inferenceConfig": {"maxTokens": 12}}' > "$folder/ask.json"
aws bedrock-runtime invoke-model --model-id "$arn" --body "fileb://$folder/ask.json" "$folder/answer.json" > /dev/null
cat "$folder/answer.json"; echo

aws bedrock delete-provisioned-model-throughput --provisioned-model-id "$name"
aws bedrock delete-custom-model --model-identifier "$name"
aws s3 rm "s3://$name" --recursive --only-show-errors
aws s3 rb "s3://$name"
aws iam delete-role-policy --role-name "$name" --policy-name data
aws iam delete-role --role-name "$name"
echo done
