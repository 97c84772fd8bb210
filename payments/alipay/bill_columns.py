"""The words of Alipay's two bills: how their files, columns, headings and totals are named. Source: dossier 5."""

TRADE, LEDGER = "trade", "signcustomer"  # bill_type
CHARSET = "gb18030"  # reads all that GBK writes

# 业务明细: one line a payment or refund. Newer accounts have more columns, and in another order.
TRADE_NO = "支付宝交易号"
OUT_TRADE_NO = "商户订单号"
KIND = "业务类型"
SUBJECT = "商品名称"
CREATED_AT = "创建时间"
DONE_AT = "完成时间"
TOTAL = "订单金额（元）"
RECEIPT = "商家实收（元）"
MERCHANT_DISCOUNT = "商家优惠（元）"
OUT_REQUEST_NO = "退款批次号/请求号"
FEE = "服务费（元）"
SPLIT = "分润（元）"
REMARK = "备注"
TRADE_COLUMNS = (
    TRADE_NO, OUT_TRADE_NO, KIND, SUBJECT, CREATED_AT, DONE_AT, "门店编号", "门店名称", "操作员", "终端号", "对方账户",
    TOTAL, RECEIPT, "支付宝红包（元）", "集分宝（元）", "支付宝优惠（元）", MERCHANT_DISCOUNT, "券核销金额（元）", "券名称",
    "商家红包消费金额（元）", "卡消费金额（元）", OUT_REQUEST_NO, FEE, SPLIT, REMARK,
)  # fmt: skip
PAYMENT, REFUND = "交易", "退款"  # of KIND
TRADE_COLUMNS_WITH_TAB = frozenset({
    TRADE_NO, OUT_TRADE_NO, KIND, "门店编号", "门店名称", "操作员", "终端号", "对方账户", "商家红包消费金额（元）",
    OUT_REQUEST_NO,
})  # fmt: skip

# 账务明细: one line a movement of the account, with its running balance.
LEDGER_NO = "账务流水号"
BUSINESS_NO = "业务流水号"
HAPPENED_AT = "发生时间"
INCOME = "收入金额（+元）"
EXPENSE = "支出金额（-元）"  # written with its sign
BALANCE = "账户余额（元）"
LEDGER_COLUMNS = (
    LEDGER_NO, BUSINESS_NO, OUT_TRADE_NO, SUBJECT, HAPPENED_AT, "对方账号", INCOME, EXPENSE, BALANCE, "交易渠道", KIND, REMARK,
)  # fmt: skip

# The first line of each member says what it is; its name may not.
TRADE_DETAIL, TRADE_SUMMARY = "#支付宝业务明细查询", "#支付宝业务汇总查询"
LEDGER_DETAIL, LEDGER_SUMMARY = "#支付宝账务明细查询", "#支付宝账务汇总查询"
TRADE_LIST, LEDGER_LIST = "业务明细列表", "账务明细列表"  # "#-----…业务明细列表…-----" and, at the end, "…列表结束…"
