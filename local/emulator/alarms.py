"""AWS::CloudWatch::Alarm on several metrics, or on an expression: the emulator knows alarms on one metric alone.

They are records, as all alarms are: nothing is computed, and only SetAlarmState makes them go off.
"""

from ministack.services.cloudformation import provisioners

from .resource_type import checked

_OF_ONE_METRIC = ("Dimensions", "ExtendedStatistic", "MetricName", "Namespace", "Period", "Statistic", "Unit")


def allow_expressions():
    """Makes CloudFormation take the property `Metrics`."""
    of_one_metric = provisioners._cw_metric_alarm_record

    def record(name, properties):
        if not properties.get("Metrics"):
            return of_one_metric(name, properties)
        metrics = _checked(name, properties)
        alarm = of_one_metric(name, {**properties, "Metrics": None, "MetricName": "-", "Namespace": "-"})
        return {**alarm, **dict.fromkeys(_OF_ONE_METRIC), "Dimensions": [], "Metrics": metrics}

    provisioners._cw_metric_alarm_record = record


def _checked(name, properties):
    wanted = ("ComparisonOperator", "EvaluationPeriods")
    metrics = checked(name, {**properties, "AlarmName": name}, "cloudwatch", "PutMetricAlarm", required=wanted)["Metrics"]
    both = [key for key in _OF_ONE_METRIC if key in properties]
    if both:
        raise ValueError(f"{name}: {', '.join(both)} can't be given with Metrics")
    if [metric.get("ReturnData", True) for metric in metrics].count(True) != 1:
        raise ValueError(f"{name}: exactly one element of Metrics must return data")
    return metrics
