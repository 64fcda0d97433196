//! Strategy files: Argo's own documents where they are at hand, the short form, and what is said of mistakes.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod data;

use std::time::Duration;

use proptest::prelude::*;
use quarterdeck_deploy::strategy::{
    ArgValue, CanaryScale, Limit, OnFailure, OnRestart, Step, Strategy, StrategyKind, Templates, read,
};

fn good(text: &str) -> Strategy {
    let read = read(text, "s.yaml", "s", &Templates::default());
    read.unwrap_or_else(|problems| panic!("{problems:#?}")).strategy
}

/// Everything that is wrong with a text, one line each.
fn wrong(text: &str) -> String {
    let problems = read(text, "s.yaml", "s", &Templates::default()).unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn argos_rollouts_are_read() {
    let Some(folder) = data::conformance_path("deploy/argo/objects") else { return };
    let mut library = Templates::default();
    let template = |name: &str| {
        format!(
            "kind: AnalysisTemplate\nmetadata: {{name: {name}}}\nspec:\n  metrics:\n  - name: up\n    interval: 10s\n    \
             successCondition: result[0] > 0\n    provider: {{prometheus: {{query: up}}}}\n"
        )
    };
    for name in ["random-fail", "web-background", "stress-test"] {
        assert_eq!(library.add(&template(name), "library.yaml").unwrap(), 1);
    }
    let (mut read_well, mut refused) = (0, 0);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if !text.lines().any(|line| line == "kind: Rollout") {
            continue;
        }
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        match read(&text, &name, "rollout", &library) {
            Ok(found) => {
                read_well += 1;
                assert!(!text.contains("- experiment:"), "{name}");
                assert!(found.unused.iter().any(|key| key == "spec.selector"), "{name}: {:?}", found.unused);
                let strategy = found.strategy;
                match name.as_str() {
                    "blue-green_bluegreen-rollout.yaml" => {
                        let StrategyKind::BlueGreen(kind) = &strategy.kind else { panic!("{strategy:?}") };
                        assert!(!kind.auto_promotion && kind.auto_promotion_after.is_none());
                        assert_eq!((strategy.replicas, strategy.longest(3)), (Some(3), None));
                    }
                    "canary_canary-rollout.yaml" => {
                        let StrategyKind::Canary(kind) = &strategy.kind else { panic!("{strategy:?}") };
                        let ten = Step::Pause(Some(Duration::from_secs(10)));
                        let expected = [
                            Step::SetWeight(20),
                            Step::Pause(None),
                            Step::SetWeight(40),
                            ten.clone(),
                            Step::SetWeight(60),
                            ten.clone(),
                            Step::SetWeight(80),
                            ten,
                        ];
                        assert_eq!(kind.steps, expected);
                        assert_eq!(strategy.progress_deadline, Duration::from_secs(30));
                        assert_eq!(strategy.name, "canary-demo");
                    }
                    "rollout-aborted_rollout.yaml" => {
                        let StrategyKind::Canary(kind) = &strategy.kind else { panic!("{strategy:?}") };
                        assert_eq!(
                            kind.background.as_ref().map(|(spec, from)| (spec.name.as_str(), *from)),
                            Some(("web-background", 0))
                        );
                    }
                    "rollout-invalid_rollout-invalid.yaml" => {
                        assert!(matches!(strategy.kind, StrategyKind::Rolling(_)));
                        assert_eq!(found.warnings.len(), 1);
                    }
                    _ => {}
                }
            }
            Err(problems) => {
                refused += 1;
                assert!(text.contains("- experiment:"), "{name}: {problems:#?}");
                assert!(problems[0].message.contains("experiment"), "{name}: {problems:#?}");
                assert!(problems[0].line > 0, "{name}");
            }
        }
    }
    assert_eq!((read_well, refused), (9, 2));
    println!("Argo's rollouts: {read_well} are read, {refused} with experiments are refused");
}

const SHORT: &str = r#"
strategy:
  canary:
    minPodsPerReplicaSet: 2
    scaleDownDelaySeconds: 45
    abortScaleDownDelaySeconds: 0
    analysis:
      startingStep: 1
      templates: [{templateName: errors}]
      args:
      - {name: service, value: orders}
      - name: version
        valueFrom: {podTemplateHashValue: Latest}
    steps:
    - setWeight: 5
    - pause: {duration: 90s}
    - setCanaryScale: {matchTrafficWeight: true}
    - setHeaderRoute:
        name: beta
        match: [{headerName: x-beta, headerValue: {exact: "1"}}]
    - setMirrorRoute: {name: shadow, percentage: 10}
    - analysis:
        templates: [{templateName: latency}]
        args: [{name: limit, value: "0.3"}]
    - setWeight: 50
    - pause: {}
replicas: 4
progressDeadlineSeconds: 120
minReadySeconds: 3
rollbackWindow: {revisions: 3}
onFailure: rollback
onRestart: revert
gradualRollback: {steps: [30, 10], interval: 20s}
drainSeconds: 15
abortOnAlerts: ['severity="critical"', 'service=~"orders|payments", severity="warning"']
checks: [health, freeze]
analysis:
  errors:
    args: [{name: service}, {name: version}]
    dryRun: [{metricName: shadow.*}]
    metrics:
    - name: errors
      interval: 10s
      failureLimit: 2
      failureCondition: result[0] >= 0.05
      provider: {prometheus: {query: 'sum(rate(errors{service="{{args.service}}",version="{{args.version}}"}[1m]))'}}
    - name: shadow-errors
      interval: 10s
      provider: {prometheus: {query: up}}
    judge:
      pass: 80
      marginal: 50
      interval: 30s
      groupWeights: {latency: 60}
      metrics:
      - name: p99
        group: latency
        unit: ms
        direction: increase
        critical: true
        query: 'latency{version="{{version}}"}'
        effectSize: {allowedIncrease: 1.1}
  latency:
    args: [{name: limit, value: "1"}]
    metrics:
    - name: p99
      count: 3
      interval: 20s
      initialDelay: 30s
      successCondition: result[0] < {{args.limit}}
      provider: {prometheus: {query: p99}}
"#;

#[test]
fn the_short_form_says_the_same() {
    let strategy = good(SHORT);
    let StrategyKind::Canary(kind) = &strategy.kind else { panic!("{strategy:?}") };
    assert_eq!(kind.steps.len(), 8);
    assert_eq!(kind.min_replicas, 2);
    assert_eq!(kind.steps[2], Step::SetCanaryScale(CanaryScale::MatchWeight));
    assert_eq!(
        kind.steps[3],
        Step::SetHeaderRoute {
            name: "beta".to_owned(),
            headers: vec![("x-beta".to_owned(), "1".to_owned())]
        }
    );
    let Step::Analysis(latency) = &kind.steps[5] else { panic!("{:?}", kind.steps[5]) };
    assert_eq!(latency.args, [("limit".to_owned(), ArgValue::Text("0.3".to_owned()))]);
    assert_eq!((latency.metrics[0].count, latency.metrics[0].consecutive_error_limit), (Some(3), 4));
    let (errors, from) = kind.background.as_ref().unwrap();
    assert_eq!(*from, 1);
    assert!(errors.args.contains(&("version".to_owned(), ArgValue::Latest)));
    assert_eq!(errors.metrics.iter().map(|metric| metric.dry_run).collect::<Vec<_>>(), [false, true]);
    let judge = errors.judge.as_ref().unwrap();
    assert_eq!((judge.pass, judge.marginal, judge.metrics[0].critical), (80.0, 50.0, true));
    assert_eq!(strategy.scale_down_delay, Duration::from_secs(45));
    assert_eq!(strategy.abort_scale_down_delay, None);
    assert_eq!((strategy.on_failure, strategy.on_restart), (OnFailure::Rollback, OnRestart::Revert));
    assert_eq!(strategy.gradual_rollback.as_ref().unwrap().steps, [30, 10]);
    assert_eq!(strategy.checks.as_deref(), Some(&["health".to_owned(), "freeze".to_owned()][..]));
    assert_eq!(strategy.to_string(), "canary 5 → 50 → 100 %, analysed");
    assert_eq!(strategy.longest(4), None, "it waits for a key");
    // What is stored is what was read.
    let stored = serde_json::to_string(&strategy).unwrap();
    assert_eq!(serde_json::from_str::<Strategy>(&stored).unwrap(), strategy);

    let rolling = good("strategy: {rolling: {maxSurge: 2, maxUnavailable: 25%}}");
    let StrategyKind::Rolling(kind) = &rolling.kind else { panic!("{rolling:?}") };
    assert_eq!((kind.max_surge, kind.max_unavailable), (Limit::Count(2), Limit::Percent(25)));
    assert!(rolling.longest(3).is_some());
    let rolling = good("strategy: {rolling: {}}");
    assert_eq!(rolling.to_string(), "rolling: surge 1, unavailable 0");
}

#[test]
fn alerts_are_matched_by_label() {
    let strategy = good(SHORT);
    let labels = |list: &[(&str, &str)]| {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
    };
    let critical = labels(&[("severity", "critical")]);
    assert!(strategy.aborts_on("orders", Some("orders"), &critical));
    assert!(!strategy.aborts_on("orders", Some("risk"), &critical));
    assert!(!strategy.aborts_on("orders", None, &critical));
    let payments = labels(&[("severity", "warning"), ("service", "payments")]);
    assert!(strategy.aborts_on("orders", Some("payments"), &payments));
    assert!(!strategy.aborts_on("orders", Some("orders"), &labels(&[("severity", "warning")])));
}

/// A canary with these steps.
fn canary(steps: &str) -> String {
    format!("strategy:\n  canary:\n    steps:\n{steps}")
}

#[test]
fn mistakes_are_told_with_their_place_and_what_is_allowed() {
    let cases = [
        (
            String::new(),
            "s.yaml: the file has no strategy; write strategy: {canary: …}, {blueGreen: …} or {rolling: …}",
        ),
        ("stratgy: {}".to_owned(), "s.yaml:1:1: unknown key \"stratgy\"; did you mean \"strategy\"?"),
        (
            "strategy: {}".to_owned(),
            "s.yaml:1:11: the strategy says nothing; write one of canary, blueGreen and rolling under strategy",
        ),
        (
            "strategy: {rolling: {}, canary: {steps: [{setWeight: 1}]}}".to_owned(),
            "s.yaml:1:11: the strategy is of several kinds; write one of canary, blueGreen and rolling under strategy",
        ),
        (
            canary("    - setWeight: 101\n"),
            "s.yaml:4:18: setWeight is \"101\"; write a whole number, 0 to 100",
        ),
        (canary("    - setWeight: -5\n"), "s.yaml:4:18: setWeight is \"-5\"; write a whole number, 0 to 100"),
        (
            canary("    - setWeigth: 5\n"),
            "s.yaml:4:7: unknown field \"setWeigth\"; did you mean \"setWeight\"?",
        ),
        (
            canary("    - {setWeight: 5, pause: {}}\n"),
            "s.yaml:4:7: the step does 2 things at once; a step is one of setWeight, pause, setCanaryScale, setHeaderRoute, setMirrorRoute, analysis",
        ),
        (
            canary("    - pause: {duration: 5 minutes}\n"),
            "s.yaml:4:25: the pause is \"5 minutes\"; write seconds, or a number with a unit, as in 90s or 1h30m; at most 365d",
        ),
        (
            canary("    - setCanaryScale: {replicas: 0}\n    - setWeight: 5\n"),
            "s.yaml:5:7: weight 5 without a replica to carry it; a step before sets the scale to 0; set it to 1 or more, or matchTrafficWeight",
        ),
        (
            canary("    - analysis: {templates: [{templateName: eror}]}\nanalysis: {error: {}}\n"),
            "s.yaml:4:45: there is no template \"eror\"; did you mean \"error\"?",
        ),
        (
            canary("    - setHeaderRoute: {name: b, match: [{headerName: x, headerValue: {regex: a.*}}]}\n"),
            "s.yaml:4:78: the gateway compares headers whole; write headerValue: {exact: …}",
        ),
        (
            "strategy: {rolling: {maxSurge: 120%}}".to_owned(),
            "s.yaml:1:32: maxSurge is \"120%\"; write a number of replicas, or a percentage up to 100%",
        ),
        (
            "strategy: {rolling: {}}\nreplicas: 0".to_owned(),
            "s.yaml:2:11: replicas is \"0\"; write a whole number, 1 to 1000",
        ),
        (
            "strategy: {rolling: {}}\nabortOnAlerts: ['severity critical']".to_owned(),
            "s.yaml:2:17: \"severity critical\" are no conditions on an alert's labels",
        ),
        (
            "strategy: {rolling: {}}\ngradualRollback: {steps: [10, 50], interval: 5s}".to_owned(),
            "s.yaml:2:31: the steps of gradualRollback do not fall; write weights as in [50, 25, 10]",
        ),
        (
            "strategy: {rolling: {}}\nonFailure: explode".to_owned(),
            "s.yaml:2:12: \"explode\" is not known here",
        ),
        (
            "kind: Deployment".to_owned(),
            "s.yaml:1:7: \"Deployment\" is no kind of document that is read here",
        ),
    ];
    for (text, expected) in cases {
        let said = wrong(&text);
        assert!(said.starts_with(expected), "{text}\n said     {said}\n expected {expected}");
    }
}

#[test]
fn templates_that_make_no_sense_are_refused() {
    let with = |template: &str| {
        let step = canary("    - setWeight: 5\n    - analysis: {templates: [{templateName: t}]}\n");
        format!("{step}---\nkind: AnalysisTemplate\nmetadata: {{name: t}}\nspec:\n{template}")
    };
    let metric = |rest: &str| with(&format!("  metrics:\n  - name: m\n{rest}"));
    let query = "    provider: {prometheus: {query: up}}\n";
    let cases = [
        (with("  metrics: []\n"), "measures nothing"),
        (metric(""), "metric m says nobody to ask"),
        (metric("    provider: {web: {url: x}}\n"), "asks somebody who is not known here"),
        (metric("    provider: {prometheus: {query: 'sum('}}\n"), "the query is no PromQL"),
        (metric(&format!("    interval: 5s\n{query}")), "analysis t has no end"),
        (metric(&format!("    count: 3\n{query}")), "is measured 3 times without an interval"),
        (
            metric(&format!("    failureLimit: -2\n{query}")),
            "failureLimit is \"-2\"; write a whole number, or -1 for no limit",
        ),
        (metric(&format!("    successCondition: result[0] <\n{query}")), "metric m: condition `result[0] <`"),
        (metric("    provider: {prometheus: {query: 'up{v=\"{{args.nope}}\"}'}}\n"), "nope"),
        (
            with("  args: [{name: limit}]\n  metrics: [{name: m, provider: {prometheus: {query: up}}}]\n"),
            "the argument \"limit\" of t has no value",
        ),
        (with("  judge: {metrics: [{name: p, query: up}]}\n"), "asks the same of both versions"),
        (
            with("  judge: {pass: 120, metrics: [{name: p, query: 'up{v=\"{{version}}\"}'}]}\n"),
            "it passes at 120",
        ),
    ];
    for (text, expected) in cases {
        let said = wrong(&text);
        assert!(said.contains(expected), "{text}\n said     {said}\n expected {expected}");
        assert!(said.starts_with("s.yaml:"), "{said}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(strategy|canary|steps|setWeight|pause|analysis|:|-|\\{|\\}|\\[|\\]| |\n|---|[0-9a-z%\"'&*!]){0,60}") {
        let _ = read(&text, "s.yaml", "s", &Templates::default());
    }
}
